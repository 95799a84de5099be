-- Totals of the observed rows: their number, first and last receive time, and repeated ids.
SELECT
    count(*) AS rows_observed,
    min(meta__dt) AS first_dt,
    max(meta__dt) AS last_dt,
    count(id_hash) - count(DISTINCT id_hash) AS ids_again
FROM observed_annotated
