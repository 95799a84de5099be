-- Every event that was put on the wire, as often as it was, with what is known of it besides its content. An event's
-- number stands for it: one of the plan has at most 2^20 others in its visit; those that the ledger carries are below 0.
SELECT
    planned.*,
    planned.meta__id AS event_key,
    facts.place AS event_number,
    facts.status,
    facts.outcome,
    facts.reason,
    facts.group_name,
    facts.worker,
    planned.zero_ms + planned.offset_ms AS due_ms
FROM planned
INNER JOIN facts ON planned.visit * 1048576 + planned.position = facts.place
UNION ALL
SELECT
    carried.*,
    facts.status,
    facts.outcome,
    facts.reason,
    facts.group_name,
    facts.worker,
    carried.zero_ms + carried.offset_ms AS due_ms
FROM carried
INNER JOIN facts ON carried.visit * 1048576 + carried.position = facts.place
