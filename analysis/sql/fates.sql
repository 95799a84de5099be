-- How many events of each group met each fate, and how many subjects they belong to.
SELECT
    group_name,
    fate,
    count(*) AS events,
    count(DISTINCT visit) AS subjects
FROM classified
GROUP BY group_name, fate
ORDER BY group_name, fate
