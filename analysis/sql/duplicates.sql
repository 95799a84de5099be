-- Ids that landed more than once.
SELECT
    meta__id AS id,
    count(*) AS copies
FROM observed
GROUP BY meta__id
HAVING count(*) > 1
ORDER BY copies DESC, id
