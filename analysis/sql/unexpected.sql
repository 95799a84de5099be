-- Rows that claim this run's instrument or experiment and were never sent.
SELECT
    meta__id AS id,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY meta__id
ORDER BY id
