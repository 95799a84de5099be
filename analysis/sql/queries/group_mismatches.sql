-- Some subjects whose group is not the one that the contract gives them.
SELECT
    subject,
    group_name,
    expected,
    events
FROM subjects
WHERE
    valid
    AND (group_name IS DISTINCT FROM expected OR expected IS NULL)
    AND subject NOT IN (SELECT subject FROM overridden_subjects)
ORDER BY subject, group_name
LIMIT $most
