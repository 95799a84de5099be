-- Every subject of the experiment with each group it was seen in. Rows that name no subject are one without a name.
SELECT
    subject,
    seen_group AS group_name,
    count(*) AS events,
    count(*) FILTER (WHERE action = 'impression') AS impressions,
    count(*) FILTER (WHERE action = 'click') AS clicks
FROM observed
WHERE enrolled
GROUP BY subject, seen_group
