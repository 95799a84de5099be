-- Events of the plan that the ledger names as sent.
SELECT planned.*
FROM planned
WHERE planned.visit * 1048576 + planned.position IN (SELECT event_number FROM send_records)
