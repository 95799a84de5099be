-- The observed rows that are this run's, with all their fields.
SELECT observed_all.*
FROM observed_all
WHERE id_number IN (SELECT id_number FROM observed)
