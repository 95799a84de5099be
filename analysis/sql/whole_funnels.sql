-- The observed rows of those funnels of which every event landed, once and under its own funnel's token. What was lost
-- or doubled is told of elsewhere, and would look like a broken funnel here.
SELECT observed.*
FROM observed
WHERE
    was_sent
    AND funnel_entry_token IN (
        SELECT funnel
        FROM classified
        GROUP BY funnel
        HAVING count(*) = count(*) FILTER (WHERE copies = 1)
    )
