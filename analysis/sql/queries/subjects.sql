-- Subjects of the experiment by group, with the number of their events.
-- Rows without a subject count as one subject whose id is null.
SELECT
    subject,
    assigned_group AS group_name,
    count(*) AS events,
    count(*) FILTER (WHERE action = 'impression') AS impressions,
    count(*) FILTER (WHERE action = 'click') AS clicks
FROM observed
WHERE enrolled
GROUP BY subject, assigned_group
