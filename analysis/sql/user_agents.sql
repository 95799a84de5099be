-- The user agents of rows, each with the number that stands for it.
SELECT
    agent,
    min(user_agent) AS user_agent
FROM observed
WHERE was_sent AND user_agent IS NOT NULL
GROUP BY agent
ORDER BY user_agent
