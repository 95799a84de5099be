-- Receive hours of the rows that landed, as hours since 1970.
SELECT DISTINCT CAST(floor(intake_ms / 3600000) AS BIGINT) AS hour_number
FROM observed
WHERE intake_ms IS NOT NULL
