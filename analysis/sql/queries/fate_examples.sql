-- A few events with one fate.
WITH picked AS (
    SELECT * FROM event_fates WHERE fate = $fate ORDER BY visit, position LIMIT $most
)
SELECT DISTINCT
    sent.event_key AS id,
    picked.visit,
    picked.position,
    picked.group_name,
    picked.action,
    picked.status
FROM picked
INNER JOIN sent ON picked.event_number = sent.event_number
ORDER BY picked.visit, picked.position
LIMIT $most
