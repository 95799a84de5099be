-- Some of the subjects that are outside the sample and have events of the experiment.
SELECT DISTINCT subject
FROM seen
WHERE valid AND expected IS NULL AND subject NOT IN (SELECT subject FROM overridden)
ORDER BY subject
LIMIT $most
