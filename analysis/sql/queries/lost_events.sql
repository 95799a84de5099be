-- A sample of events that were answered before validation and did not land.
SELECT
    visit,
    position
FROM event_fates
WHERE fate = 'lost' AND status = 202
ORDER BY event_number % 1000003 * 7919 % 1000003, event_number
LIMIT $most
