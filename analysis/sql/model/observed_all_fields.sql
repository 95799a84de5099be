-- Observed rows of this run, with all fields.
SELECT observed_annotated.*
FROM observed_annotated
WHERE id_hash IN (SELECT id_hash FROM observed)
