-- Why events were refused, the most frequent reason first.
SELECT
    reason,
    count(*) AS events,
    count(*) FILTER (WHERE outcome = 'error') AS errors
FROM classified
WHERE fate = 'invalid'
GROUP BY reason
ORDER BY events DESC, reason
