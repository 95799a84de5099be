-- All candidate rows, where no row belongs to another run.
SELECT *
FROM candidate_rows
