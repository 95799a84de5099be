-- Observed rows that may be this run's, with the number of the event and whether they differ from it.
-- A row is a candidate when its id or funnel was sent, or when it claims the run's instrument or experiment and was
-- received during the run. Other rows of a shared table are left out. The relation holds only the columns that most
-- questions need; `observed_all_fields` has the rest. An id is kept only where it was not sent: sent ids are known.
WITH sent_ids AS (
    SELECT
        id_hash,
        event_number,
        content_hash
    FROM sent_content
    WHERE event_number >= 0
    UNION ALL
    SELECT
        id_hash,
        event_number,
        min(content_hash) AS content_hash
    FROM ledger_bodies
    WHERE meta__id IS NOT NULL
    GROUP BY id_hash, event_number
),
funnel_keys AS (
    SELECT
        event_key,
        event_number,
        min(content_hash) AS content_hash
    FROM ledger_bodies
    WHERE meta__id IS NULL
    GROUP BY event_key, event_number
),
matched AS (
    SELECT
        observed_annotated.*,
        coalesce(by_id.event_number, by_funnel.event_number) AS event_number,
        observed_annotated.content_hash IS DISTINCT FROM coalesce(by_id.content_hash, by_funnel.content_hash) AS differs
    FROM observed_annotated
    LEFT JOIN sent_ids AS by_id ON observed_annotated.id_hash = by_id.id_hash
    LEFT JOIN funnel_keys AS by_funnel
        ON
            concat_ws(
                '/',
                observed_annotated.funnel_entry_token,
                coalesce(CAST(observed_annotated.funnel_event_sequence_position AS VARCHAR), observed_annotated.dt),
                observed_annotated.action
            ) = by_funnel.event_key
)
SELECT
    event_number,
    event_number IS NOT NULL AS was_sent,
    differs,
    client_ms,
    intake_ms,
    enrolled,
    subject,
    assigned_group,
    _schema,
    id_hash,
    CASE WHEN event_number IS NULL THEN meta__id END AS unexpected_id,
    meta__stream,
    action,
    instrument_name,
    element_friendly_name,
    mediawiki__database,
    datacenter,
    http__request_headers['user-agent'] AS user_agent,
    hash(datacenter, http__request_headers['user-agent']) AS source
FROM matched
WHERE
    event_number IS NOT NULL
    OR (
        (instrument_name = $instrument OR enrolled)
        AND coalesce(meta__domain, '') <> 'canary'
        AND intake_ms BETWEEN $from_ms AND $until_ms
    )
