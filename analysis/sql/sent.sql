-- Every event that was put on the wire, with what is known of it besides its content, and the key by which its rows are
-- found: the id, where the sender gave one. A browser leaves that to the intake; its events are told apart by funnel,
-- position and action. What the ledger carries is in the order of its facts.
WITH whole AS (
    SELECT
        planned.*,
        planned_facts.* EXCLUDE (visit, position, intended_ms),
        $zero_ms + planned.offset_ms AS due_ms
    FROM planned
    INNER JOIN planned_facts ON planned.visit = planned_facts.visit AND planned.position = planned_facts.position
    UNION ALL BY NAME
    SELECT
        carried_flat.*,
        carried_facts.* EXCLUDE (intended_ms),
        0 AS offset_ms,
        carried_facts.intended_ms AS due_ms
    FROM carried_flat POSITIONAL JOIN carried_facts
)
SELECT
    whole.*,
    coalesce(meta__id, concat_ws('/', funnel_entry_token, funnel_event_sequence_position, action)) AS event_key
FROM whole
