-- What the observed rows are as a whole: how many, from when to when, and how many ids are on more than one.
SELECT
    count(*) AS rows_observed,
    min(meta__dt) AS first_dt,
    max(meta__dt) AS last_dt,
    count(id_number) - count(DISTINCT id_number) AS ids_again
FROM observed_all
