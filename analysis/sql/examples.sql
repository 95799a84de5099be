-- A few events that met one fate.
SELECT
    id,
    visit,
    group_name,
    action,
    status
FROM classified
WHERE fate = $fate
ORDER BY visit, id
LIMIT $most
