-- Content of each sent event, once: the rows of `sent` without their send records.
SELECT
    *,
    meta__id AS event_key,
    visit * 1048576 + position AS event_number
FROM planned
UNION ALL
SELECT *
FROM ledger_bodies
