-- Subjects that chose their group by an override and still have events in the table.
SELECT DISTINCT overridden_subjects.subject
FROM overridden_subjects
INNER JOIN subjects_landed ON overridden_subjects.subject = subjects_landed.subject
ORDER BY overridden_subjects.subject
