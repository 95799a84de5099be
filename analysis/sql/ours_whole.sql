-- The observed rows that are this run's, with all their fields.
SELECT observed_all.*
FROM observed_all
WHERE meta__id IN (SELECT meta__id FROM observed)
