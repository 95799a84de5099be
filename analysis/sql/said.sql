-- What every event says that was put on the wire, each once: as `sent`, without its facts.
SELECT
    *,
    meta__id AS event_key,
    visit * 1048576 + position AS event_number
FROM planned
UNION ALL
SELECT *
FROM carried
