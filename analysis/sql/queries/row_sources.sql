-- Origins of rows: user agent and data centre, each with the hash that identifies it.
SELECT
    source,
    min(user_agent) AS user_agent,
    min(datacenter) AS datacenter
FROM observed
WHERE was_sent
GROUP BY source
ORDER BY user_agent, datacenter
