-- Sums per group that a click-through rate and its variance follow from, for sent and for landed events.
-- Subjects that were chosen for their group are left out.
WITH counted AS (
    SELECT
        'sent' AS stage,
        group_name,
        CAST(sent_clicks AS BIGINT) AS clicks,
        CAST(sent_impressions AS BIGINT) AS impressions
    FROM visits
    WHERE by_chance
    UNION ALL
    SELECT
        'landed' AS stage,
        group_name,
        CAST(landed_clicks AS BIGINT) AS clicks,
        CAST(landed_impressions AS BIGINT) AS impressions
    FROM visits
    WHERE by_chance
)
SELECT
    stage,
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE clicks > 0) AS clicking_subjects,
    CAST(sum(clicks) AS BIGINT) AS clicks,
    CAST(sum(impressions) AS BIGINT) AS impressions,
    CAST(sum(clicks * clicks) AS BIGINT) AS clicks_squared,
    CAST(sum(impressions * impressions) AS BIGINT) AS impressions_squared,
    CAST(sum(clicks * impressions) AS BIGINT) AS product,
    -- Sums of fractions depend on their order in the last digits.
    round(sum(CAST(clicks AS DOUBLE) / impressions), 6) AS rates
FROM counted
WHERE impressions > 0 AND group_name <> ''
GROUP BY stage, group_name
ORDER BY stage, group_name
