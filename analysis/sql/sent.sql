-- Every event that was put on the wire, with what is known of it besides its content. An event's number stands for it:
-- one of the plan has at most 2^20 others in its visit.
SELECT
    planned.*,
    planned.meta__id AS event_key,
    planned.visit * 1048576 + planned.position AS event_number,
    planned_facts.* EXCLUDE (visit, position, intended_ms),
    asked.zero_ms + planned.offset_ms AS due_ms
FROM planned
INNER JOIN planned_facts ON planned.visit = planned_facts.visit AND planned.position = planned_facts.position
CROSS JOIN asked
UNION ALL BY NAME
SELECT
    carried.* EXCLUDE (number),
    carried_facts.* EXCLUDE (number, intended_ms),
    0 AS offset_ms,
    carried_facts.intended_ms AS due_ms
FROM carried
INNER JOIN carried_facts ON carried.number = carried_facts.number
