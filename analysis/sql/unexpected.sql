-- Rows that claim this run's instrument or experiment and were never sent.
SELECT
    event_key AS id,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY event_key
ORDER BY id
