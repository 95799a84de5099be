-- Numbered rows with what is read from them: their times as numbers, milliseconds since 1970; whether they are of the
-- experiment; and the subject and group that they name. An alpha subject is the wiki's local user id, an xlab subject the
-- 64-digit subject id.
SELECT
    *,
    epoch_ms(TRY_CAST(dt AS TIMESTAMPTZ)) AS client_ms,
    epoch_ms(TRY_CAST(meta__dt AS TIMESTAMPTZ)) AS intake_ms,
    coalesce(list_contains(experiments__enrolled, asked.experiment), FALSE)
    OR coalesce(experiment__enrolled = asked.experiment, FALSE) AS enrolled,
    CASE
        WHEN asked.generation = 'alpha' THEN CAST(performer__id AS VARCHAR)
        ELSE nullif(experiment__subject_id, '')
    END AS subject,
    CASE
        WHEN asked.generation = 'alpha' THEN experiments__assigned[asked.feature] ELSE experiment__assigned
    END AS seen_group
FROM numbered
CROSS JOIN asked
