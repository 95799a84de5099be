-- Reasons why events were rejected, the most frequent first.
SELECT
    reason,
    count(*) AS events,
    count(*) FILTER (WHERE outcome = 'error') AS errors
FROM event_fates
WHERE fate = 'invalid'
GROUP BY reason
ORDER BY events DESC, reason
