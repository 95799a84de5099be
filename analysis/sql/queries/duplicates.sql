-- Ids that landed more than once, or funnels where an event was sent without an id.
WITH repeated AS (
    SELECT
        event_number,
        copies
    FROM event_fates
    WHERE copies > 1
)
SELECT
    min(sent.event_key) AS id,
    max(repeated.copies) AS copies
FROM repeated
INNER JOIN sent ON repeated.event_number = sent.event_number
GROUP BY repeated.event_number
UNION ALL
SELECT
    unexpected_id AS id,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY unexpected_id
HAVING count(*) > 1
ORDER BY copies DESC, id
