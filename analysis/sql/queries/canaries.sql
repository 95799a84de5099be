-- Canary events among the observed rows; ingestion has to drop them.
SELECT
    meta__stream AS stream,
    count(*) AS events
FROM observed_annotated
WHERE meta__domain = 'canary'
GROUP BY meta__stream
ORDER BY events DESC
