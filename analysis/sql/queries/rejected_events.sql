-- A sample of the events that the intake rejected.
SELECT
    visit,
    position
FROM event_fates
WHERE fate = 'invalid'
ORDER BY event_number % 1000003 * 7919 % 1000003, event_number
LIMIT $most
