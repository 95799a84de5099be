-- Subjects that were seen in more than one group; what is no id is nobody.
SELECT
    subject,
    count(*) AS groups_seen,
    min(coalesce(group_name, 'none')) AS one,
    max(coalesce(group_name, 'none')) AS other
FROM seen
WHERE valid
GROUP BY subject
HAVING min(coalesce(group_name, 'none')) <> max(coalesce(group_name, 'none'))
ORDER BY subject
