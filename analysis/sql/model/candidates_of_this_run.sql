-- Candidate rows without those that another run's ledger names.
SELECT *
FROM candidate_rows
WHERE was_sent OR unexpected_id IS NULL OR unexpected_id NOT IN (SELECT id FROM other_run_ids)
