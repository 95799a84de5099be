-- Subjects that chose their group by an override and have events in the table all the same.
SELECT DISTINCT overridden.subject
FROM overridden
INNER JOIN seen_landed ON overridden.subject = seen_landed.subject
ORDER BY overridden.subject
