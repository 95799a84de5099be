-- Subjects with rows in more than one group; malformed ids do not count.
SELECT
    subject,
    count(*) AS groups_seen,
    min(coalesce(group_name, 'none')) AS one,
    max(coalesce(group_name, 'none')) AS other
FROM subjects
WHERE valid
GROUP BY subject
HAVING min(coalesce(group_name, 'none')) <> max(coalesce(group_name, 'none'))
ORDER BY subject
