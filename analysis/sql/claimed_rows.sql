-- The claimed rows: none of them is known to be another run's.
SELECT *
FROM claimed
