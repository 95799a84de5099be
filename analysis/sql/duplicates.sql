-- Ids that landed more than once.
SELECT
    event_key AS id,
    count(*) AS copies
FROM observed
GROUP BY event_key
HAVING count(*) > 1
ORDER BY copies DESC, id
