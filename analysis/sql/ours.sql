-- The observed rows that are this run's: those whose id or funnel was sent, with the number of the event and whether they
-- differ from it, and any others that claim the run's instrument or experiment while it went on. Other rows of a shared
-- table are left alone. Only what most questions need is kept of them; `ours_whole` has the rest. The id of what was sent
-- is known, so only that of other rows is kept as it is.
WITH sent_ids AS (
    SELECT
        id_number,
        event_number,
        content
    FROM said
    WHERE event_number >= 0
    UNION ALL
    SELECT
        id_number,
        event_number,
        min(content) AS content
    FROM carried
    WHERE meta__id IS NOT NULL
    GROUP BY id_number, event_number
),
funnel_keys AS (
    SELECT
        event_key,
        event_number,
        min(content) AS content
    FROM carried
    WHERE meta__id IS NULL
    GROUP BY event_key, event_number
),
named AS (
    SELECT
        observed_all.*,
        coalesce(by_id.event_number, by_funnel.event_number) AS event_number,
        observed_all.content IS DISTINCT FROM coalesce(by_id.content, by_funnel.content) AS differs
    FROM observed_all
    LEFT JOIN sent_ids AS by_id ON observed_all.id_number = by_id.id_number
    LEFT JOIN funnel_keys AS by_funnel
        ON
            concat_ws(
                '/',
                observed_all.funnel_entry_token,
                coalesce(CAST(observed_all.funnel_event_sequence_position AS VARCHAR), observed_all.dt),
                observed_all.action
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
    seen_group,
    _schema,
    id_number,
    CASE WHEN event_number IS NULL THEN meta__id END AS strange_id,
    meta__stream,
    action,
    instrument_name,
    element_friendly_name,
    mediawiki__database,
    datacenter,
    http__request_headers['user-agent'] AS user_agent,
    hash(datacenter, http__request_headers['user-agent']) AS source
FROM named
WHERE
    event_number IS NOT NULL
    OR (
        (instrument_name = $instrument OR enrolled)
        AND coalesce(meta__domain, '') <> 'canary'
        AND intake_ms BETWEEN $from_ms AND $until_ms
    )
