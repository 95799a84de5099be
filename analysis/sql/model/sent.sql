-- Every sent event, as often as it was sent, with its send record.
-- `event_number` identifies an event: the visit times 2^20, plus the position. Events from the ledger have numbers
-- below 0.
SELECT
    planned.*,
    planned.meta__id AS event_key,
    send_records.event_number AS event_number,
    send_records.status,
    send_records.outcome,
    send_records.reason,
    send_records.group_name,
    send_records.worker,
    planned.zero_ms + planned.offset_ms AS due_ms
FROM planned
INNER JOIN send_records ON planned.visit * 1048576 + planned.position = send_records.event_number
UNION ALL
SELECT
    ledger_bodies.*,
    send_records.status,
    send_records.outcome,
    send_records.reason,
    send_records.group_name,
    send_records.worker,
    ledger_bodies.zero_ms + ledger_bodies.offset_ms AS due_ms
FROM ledger_bodies
INNER JOIN send_records ON ledger_bodies.visit * 1048576 + ledger_bodies.position = send_records.event_number
