-- How many rows of this run were observed.
SELECT count(*) AS events
FROM observed
