-- Some of the events that the intake refused.
SELECT
    visit,
    position
FROM classified
WHERE fate = 'invalid'
ORDER BY event_number % 1000003 * 7919 % 1000003, event_number
LIMIT $most
