-- Some of the events that the intake refused.
SELECT
    visit,
    position
FROM classified
WHERE fate = 'invalid'
ORDER BY md5(id), id
LIMIT $most
