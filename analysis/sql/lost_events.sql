-- Some of the events that were answered before validation, and are nowhere.
SELECT
    visit,
    position
FROM classified
WHERE fate = 'lost' AND status = 202
ORDER BY event_number % 1000003 * 7919 % 1000003, event_number
LIMIT $most
