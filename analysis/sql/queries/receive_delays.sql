-- Milliseconds from the due time of each landed event until the intake received it.
SELECT delay_ms
FROM event_fates
WHERE delay_ms IS NOT NULL
