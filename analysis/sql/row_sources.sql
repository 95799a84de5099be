-- Where rows came from, by user agent and data centre, each with the number that stands for it.
SELECT
    source,
    min(user_agent) AS user_agent,
    min(datacenter) AS datacenter
FROM observed
WHERE was_sent
GROUP BY source
ORDER BY user_agent, datacenter
