-- Ids that landed more than once, or funnels where an event was sent without an id.
WITH numbers AS (
    SELECT
        event_number,
        count(*) AS copies
    FROM observed
    WHERE was_sent
    GROUP BY event_number
    HAVING count(*) > 1
)
SELECT
    sent.event_key AS id,
    numbers.copies
FROM numbers
INNER JOIN (SELECT DISTINCT event_number, event_key FROM sent) AS sent ON numbers.event_number = sent.event_number
UNION ALL
SELECT
    meta__id AS id,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY meta__id
HAVING count(*) > 1
ORDER BY copies DESC, id
