-- Observed rows by the hour of their receive time, their data centre and the stream that they name.
SELECT
    substr(meta__dt, 1, 13) AS hour_start,
    datacenter,
    meta__stream AS stream,
    count(*) AS events
FROM observed_all
GROUP BY substr(meta__dt, 1, 13), datacenter, meta__stream
ORDER BY hour_start, datacenter, stream
