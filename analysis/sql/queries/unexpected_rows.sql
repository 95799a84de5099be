-- Rows that claim this run's instrument or experiment and were never sent, with their first receive time.
SELECT
    unexpected_id AS id,
    min(intake_ms) AS first_ms,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY unexpected_id
ORDER BY id
