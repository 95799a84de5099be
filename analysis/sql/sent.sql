-- Every event that was put on the wire, with what is known of it besides its content, and the key by which its rows are
-- found: the id, where the sender gave one. A browser leaves that to the intake; its events are told apart by funnel,
-- position and action.
WITH whole AS (
    SELECT
        planned.*,
        planned_facts.* EXCLUDE (visit, position, intended_ms),
        run_start.zero_ms + planned.offset_ms AS due_ms
    FROM planned
    INNER JOIN planned_facts ON planned.visit = planned_facts.visit AND planned.position = planned_facts.position
    CROSS JOIN run_start
    UNION ALL BY NAME
    SELECT
        carried.*,
        carried_facts.* EXCLUDE (number, intended_ms),
        0 AS offset_ms,
        carried_facts.intended_ms AS due_ms
    FROM carried
    INNER JOIN carried_facts ON carried.number = carried_facts.number
)
SELECT
    whole.* EXCLUDE (number),
    coalesce(meta__id, concat_ws('/', funnel_entry_token, funnel_event_sequence_position, action)) AS event_key
FROM whole
