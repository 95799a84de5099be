-- Hashed rows with their times, experiment enrolment, subject and assigned group.
-- Times are milliseconds since 1970. An alpha subject is the wiki's local user id, an xlab subject the 64-digit subject
-- id.
SELECT
    *,
    epoch_ms(TRY_CAST(dt AS TIMESTAMPTZ)) AS client_ms,
    epoch_ms(TRY_CAST(meta__dt AS TIMESTAMPTZ)) AS intake_ms,
    coalesce(list_contains(experiments__enrolled, run_parameters.experiment), FALSE)
    OR coalesce(experiment__enrolled = run_parameters.experiment, FALSE) AS enrolled,
    CASE
        WHEN run_parameters.generation = 'alpha' THEN CAST(performer__id AS VARCHAR)
        ELSE nullif(experiment__subject_id, '')
    END AS subject,
    CASE
        WHEN run_parameters.generation = 'alpha' THEN experiments__assigned[run_parameters.feature]
        ELSE experiment__assigned
    END AS assigned_group
FROM rows_hashed
CROSS JOIN run_parameters
