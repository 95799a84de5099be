-- Ids that landed more than once, or funnels where an event was sent without an id.
WITH numbers AS (
    SELECT
        event_number,
        copies
    FROM classified
    WHERE copies > 1
)
SELECT
    min(sent.event_key) AS id,
    max(numbers.copies) AS copies
FROM numbers
INNER JOIN sent ON numbers.event_number = sent.event_number
GROUP BY numbers.event_number
UNION ALL
SELECT
    strange_id AS id,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY strange_id
HAVING count(*) > 1
ORDER BY copies DESC, id
