-- Number of observed rows of this run.
SELECT count(*) AS events
FROM observed
