-- Subjects and events of each group in the table; `by_chance` leaves out who was chosen for their group.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE chosen.subject IS NULL) AS by_chance,
    CAST(sum(impressions) AS BIGINT) AS impressions,
    CAST(sum(clicks) AS BIGINT) AS clicks
FROM seen_landed
LEFT JOIN chosen ON seen_landed.subject = chosen.subject
WHERE seen_landed.subject IS NOT NULL AND group_name IS NOT NULL
GROUP BY group_name
ORDER BY group_name
