-- Subjects of whom events were acknowledged and not one landed, by group.
SELECT
    group_name,
    count(*) AS subjects
FROM (
    SELECT visit, group_name
    FROM classified
    GROUP BY visit, group_name
    HAVING count(*) FILTER (WHERE copies > 0) = 0 AND count(*) FILTER (WHERE fate = 'lost') > 0
) AS gone
GROUP BY group_name
ORDER BY group_name
