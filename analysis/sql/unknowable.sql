-- Visits none of whose events landed or was acknowledged: whether they took part cannot be seen in the table.
SELECT visit
FROM visits
WHERE sent_events = unanswered_events
ORDER BY visit
