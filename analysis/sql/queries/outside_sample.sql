-- Some subjects that are outside the sample and have events of the experiment.
SELECT DISTINCT subject
FROM subjects
WHERE valid AND expected IS NULL AND subject NOT IN (SELECT subject FROM overridden_subjects)
ORDER BY subject
LIMIT $most
