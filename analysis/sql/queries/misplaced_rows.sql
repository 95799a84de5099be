-- Rows in another hour's partition than their receive time names.
-- Hours are hours since 1970.
WITH row_hours AS (
    SELECT
        CAST(floor(
            epoch_ms(
                TRY_CAST(
                    concat(
                        CAST(year AS VARCHAR),
                        '-', lpad(CAST(month AS VARCHAR), 2, '0'),
                        '-', lpad(CAST(day AS VARCHAR), 2, '0'),
                        'T', lpad(CAST(hour AS VARCHAR), 2, '0'), ':00:00Z'
                    ) AS TIMESTAMPTZ
                )
            ) / 3600000
        ) AS BIGINT) AS partition_hour,
        CAST(floor(epoch_ms(TRY_CAST(meta.dt AS TIMESTAMPTZ)) / 3600000) AS BIGINT) AS intake_hour
    FROM observed_events
)
SELECT
    partition_hour,
    intake_hour,
    count(*) AS events
FROM row_hours
WHERE partition_hour <> intake_hour
GROUP BY partition_hour, intake_hour
ORDER BY partition_hour, intake_hour
