-- The hours, by receive time, from which rows landed, as in `streamed`.
SELECT DISTINCT strftime(make_timestamp(intake_ms * 1000), '%Y-%m-%dT%H') AS hour_start
FROM observed
WHERE intake_ms IS NOT NULL
