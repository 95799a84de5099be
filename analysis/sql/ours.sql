-- The observed rows that are this run's: those whose id was sent, and any others that claim the run's instrument or
-- experiment while it went on. Other rows of a shared table are left alone.
SELECT
    observed_all.*,
    observed_all.meta__id IN (SELECT meta__id FROM sent) AS was_sent
FROM observed_all
WHERE
    observed_all.meta__id IN (SELECT meta__id FROM sent)
    OR (
        (
            observed_all.instrument_name = $instrument
            OR list_contains(observed_all.experiments__enrolled, $experiment)
            OR observed_all.experiment__enrolled = $experiment
        )
        AND coalesce(observed_all.meta__domain, '') <> 'canary'
        AND epoch_ms(TRY_CAST(observed_all.meta__dt AS TIMESTAMPTZ)) BETWEEN $from_ms AND $until_ms
    )
