-- Canary events among the rows that were observed; ingestion is to drop them.
SELECT
    meta__stream AS stream,
    count(*) AS events
FROM observed_all
WHERE meta__domain = 'canary'
GROUP BY meta__stream
ORDER BY events DESC
