-- How many events of each group met each fate.
SELECT
    group_name,
    fate,
    count(*) AS events
FROM classified
GROUP BY group_name, fate
ORDER BY group_name, fate
