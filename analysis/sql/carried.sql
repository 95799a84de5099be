-- The events that the ledger carries, each with the key by which its rows are found: the id, where the sender gave one. A
-- browser leaves that to the intake; its events are told apart by funnel, position and action, and by their time where a
-- generation gives them no position. Events with one key share
-- a number, which is below 0; those of the plan's events are not.
SELECT
    keyed.*,
    -1 - min(keyed.visit * 1048576 + keyed.position) OVER (PARTITION BY keyed.event_key) AS event_number
FROM (
    SELECT
        carried_marked.*,
        coalesce(
            meta__id,
            concat_ws('/', funnel_entry_token, coalesce(CAST(funnel_event_sequence_position AS VARCHAR), dt), action)
        ) AS event_key
    FROM carried_marked
) AS keyed
