-- Observed rows by hour of their receive time, data centre and stream.
SELECT
    substr(meta__dt, 1, 13) AS hour_start,
    datacenter,
    meta__stream AS stream,
    count(*) AS events
FROM observed_annotated
GROUP BY substr(meta__dt, 1, 13), datacenter, meta__stream
ORDER BY hour_start, datacenter, stream
