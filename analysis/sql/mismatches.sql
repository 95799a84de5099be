-- Some of the subjects that are in another group than the contract gives them.
SELECT
    subject,
    group_name,
    expected,
    events
FROM seen
WHERE
    valid
    AND (group_name IS DISTINCT FROM expected OR expected IS NULL)
    AND subject NOT IN (SELECT subject FROM overridden)
ORDER BY subject, group_name
LIMIT $most
