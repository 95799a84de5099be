-- Visits without a landed or acknowledged event: whether they took part is not visible in the table.
SELECT visit
FROM visits
WHERE sent_events = indeterminate_events
ORDER BY visit
