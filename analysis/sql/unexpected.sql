-- Rows that claim this run's instrument or experiment and were never sent.
SELECT
    strange_id AS id,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY strange_id
ORDER BY id
