-- Events whose bodies are in the ledger, each with a key that identifies its rows and an event number.
-- The key is the id, where the sender gave one. A browser leaves the id to the intake; the key of such an event is its
-- funnel, position and action, with its time where a generation gives no position. Events with one key share a number.
-- It is below 0; the numbers of the plan's events are not.
SELECT
    keyed.*,
    -1 - min(keyed.visit * 1048576 + keyed.position) OVER (PARTITION BY keyed.event_key) AS event_number
FROM (
    SELECT
        ledger_bodies_annotated.*,
        coalesce(
            meta__id,
            concat_ws('/', funnel_entry_token, coalesce(CAST(funnel_event_sequence_position AS VARCHAR), dt), action)
        ) AS event_key
    FROM ledger_bodies_annotated
) AS keyed
