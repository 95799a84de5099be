-- Some of the subjects that are in another group than the contract gives them.
SELECT
    subject,
    group_name,
    expected,
    events
FROM seen
WHERE subject IS NOT NULL AND (group_name IS DISTINCT FROM expected OR expected IS NULL)
ORDER BY subject, group_name
LIMIT $most
