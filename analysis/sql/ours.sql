-- The observed rows that are this run's: those whose id or funnel was sent, and any others that claim the run's
-- instrument or experiment while it went on. Other rows of a shared table are left alone. Only what most questions need
-- is kept of them; `ours_whole` has the rest.
WITH named AS (
    SELECT
        observed_all.*,
        coalesce(meta__id IN (SELECT event_key FROM sent), FALSE) AS by_id,
        concat_ws('/', funnel_entry_token, funnel_event_sequence_position, action) AS funnel_key
    FROM observed_all
),
keyed AS (
    SELECT
        named.*,
        by_id OR funnel_key IN (SELECT event_key FROM sent WHERE meta__id IS NULL) AS was_sent
    FROM named
)
SELECT
    CASE WHEN was_sent AND NOT by_id THEN funnel_key ELSE meta__id END AS event_key,
    was_sent,
    content,
    client_ms,
    intake_ms,
    _schema,
    meta__id,
    meta__stream,
    action,
    instrument_name,
    element_friendly_name,
    funnel_entry_token,
    funnel_event_sequence_position,
    performer__id,
    performer__pageview_id,
    mediawiki__database,
    experiments__enrolled,
    experiments__assigned,
    experiment__enrolled,
    experiment__assigned,
    experiment__subject_id
FROM keyed
WHERE
    was_sent
    OR (
        (
            instrument_name = $instrument
            OR list_contains(experiments__enrolled, $experiment)
            OR experiment__enrolled = $experiment
        )
        AND coalesce(meta__domain, '') <> 'canary'
        AND intake_ms BETWEEN $from_ms AND $until_ms
    )
