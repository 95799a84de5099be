-- Why events were refused, the most frequent reason first.
SELECT
    reason,
    count(*) AS events
FROM classified
WHERE fate = 'invalid'
GROUP BY reason
ORDER BY events DESC, reason
