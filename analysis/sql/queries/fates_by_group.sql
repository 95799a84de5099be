-- Number of events by group and fate.
SELECT
    group_name,
    fate,
    count(*) AS events
FROM event_fates
GROUP BY group_name, fate
ORDER BY group_name, fate
