-- The claimed rows without those that another run's ledger names.
SELECT *
FROM claimed
WHERE was_sent OR strange_id IS NULL OR strange_id NOT IN (SELECT id FROM of_other_runs)
