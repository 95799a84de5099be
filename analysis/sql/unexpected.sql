-- Rows that claim this run's instrument or experiment and were never sent, with when the first of each was received.
SELECT
    strange_id AS id,
    min(intake_ms) AS first_ms,
    count(*) AS copies
FROM observed
WHERE NOT was_sent
GROUP BY strange_id
ORDER BY id
