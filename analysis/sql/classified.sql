-- What became of every event that was sent, by its id: exactly one category each.
-- deadline_ms: how long after an event was due its row may take.
WITH landed AS (
    SELECT
        sent.event_key AS id,
        count(*) AS copies,
        bool_or(
        sent._schema IS DISTINCT FROM observed._schema
        OR sent.meta__stream IS DISTINCT FROM observed.meta__stream
        OR sent.meta__domain IS DISTINCT FROM observed.meta__domain
        OR sent.meta__uri IS DISTINCT FROM observed.meta__uri
        OR sent.dt IS DISTINCT FROM observed.dt
        OR sent.action IS DISTINCT FROM observed.action
        OR sent.action_subtype IS DISTINCT FROM observed.action_subtype
        OR sent.action_source IS DISTINCT FROM observed.action_source
        OR sent.action_context IS DISTINCT FROM observed.action_context
        OR sent.element_id IS DISTINCT FROM observed.element_id
        OR sent.element_friendly_name IS DISTINCT FROM observed.element_friendly_name
        OR sent.instrument_name IS DISTINCT FROM observed.instrument_name
        OR sent.funnel_name IS DISTINCT FROM observed.funnel_name
        OR sent.funnel_entry_token IS DISTINCT FROM observed.funnel_entry_token
        OR sent.funnel_event_sequence_position IS DISTINCT FROM observed.funnel_event_sequence_position
        OR sent.sample__rate IS DISTINCT FROM observed.sample__rate
        OR sent.sample__unit IS DISTINCT FROM observed.sample__unit
        OR sent.experiments__enrolled IS DISTINCT FROM observed.experiments__enrolled
        OR sent.experiments__assigned IS DISTINCT FROM observed.experiments__assigned
        OR sent.agent__client_platform IS DISTINCT FROM observed.agent__client_platform
        OR sent.agent__client_platform_family IS DISTINCT FROM observed.agent__client_platform_family
        OR sent.agent__release_status IS DISTINCT FROM observed.agent__release_status
        OR sent.page__id IS DISTINCT FROM observed.page__id
        OR sent.page__title IS DISTINCT FROM observed.page__title
        OR sent.page__namespace_id IS DISTINCT FROM observed.page__namespace_id
        OR sent.page__namespace_name IS DISTINCT FROM observed.page__namespace_name
        OR sent.page__revision_id IS DISTINCT FROM observed.page__revision_id
        OR sent.page__content_language IS DISTINCT FROM observed.page__content_language
        OR sent.page__is_redirect IS DISTINCT FROM observed.page__is_redirect
        OR sent.page__user_groups_allowed_to_move IS DISTINCT FROM observed.page__user_groups_allowed_to_move
        OR sent.page__user_groups_allowed_to_edit IS DISTINCT FROM observed.page__user_groups_allowed_to_edit
        OR sent.page__wikidata_qid IS DISTINCT FROM observed.page__wikidata_qid
        OR sent.mediawiki__database IS DISTINCT FROM observed.mediawiki__database
        OR sent.mediawiki__skin IS DISTINCT FROM observed.mediawiki__skin
        OR sent.mediawiki__version IS DISTINCT FROM observed.mediawiki__version
        OR sent.mediawiki__site_content_language IS DISTINCT FROM observed.mediawiki__site_content_language
        OR sent.mediawiki__site_content_language_variant IS DISTINCT FROM observed.mediawiki__site_content_language_variant
        OR sent.performer__id IS DISTINCT FROM observed.performer__id
        OR sent.performer__name IS DISTINCT FROM observed.performer__name
        OR sent.performer__is_logged_in IS DISTINCT FROM observed.performer__is_logged_in
        OR sent.performer__is_temp IS DISTINCT FROM observed.performer__is_temp
        OR sent.performer__is_bot IS DISTINCT FROM observed.performer__is_bot
        OR sent.performer__session_id IS DISTINCT FROM observed.performer__session_id
        OR sent.performer__pageview_id IS DISTINCT FROM observed.performer__pageview_id
        OR sent.performer__active_browsing_session_token IS DISTINCT FROM observed.performer__active_browsing_session_token
        OR sent.performer__groups IS DISTINCT FROM observed.performer__groups
        OR sent.performer__language IS DISTINCT FROM observed.performer__language
        OR sent.performer__language_variant IS DISTINCT FROM observed.performer__language_variant
        OR sent.performer__can_probably_edit_page IS DISTINCT FROM observed.performer__can_probably_edit_page
        OR sent.performer__edit_count IS DISTINCT FROM observed.performer__edit_count
        OR sent.performer__edit_count_bucket IS DISTINCT FROM observed.performer__edit_count_bucket
        OR sent.performer__registration_dt IS DISTINCT FROM observed.performer__registration_dt
        OR sent.experiment__enrolled IS DISTINCT FROM observed.experiment__enrolled
        OR sent.experiment__assigned IS DISTINCT FROM observed.experiment__assigned
        OR sent.experiment__subject_id IS DISTINCT FROM observed.experiment__subject_id
        OR sent.experiment__sampling_unit IS DISTINCT FROM observed.experiment__sampling_unit
        OR sent.experiment__coordinator IS DISTINCT FROM observed.experiment__coordinator
        ) AS differs,
        min(epoch_ms(TRY_CAST(observed.meta__dt AS TIMESTAMPTZ))) - min(sent.due_ms) AS delay_ms
    FROM sent
    INNER JOIN observed ON sent.event_key = observed.event_key
    GROUP BY sent.event_key
),
reported AS (
    SELECT event_key, min(message) AS message FROM refused GROUP BY event_key
)
SELECT
    sent.event_key AS id,
    sent.visit,
    sent.position,
    sent.action,
    sent.group_name,
    sent.worker,
    sent.due_ms,
    sent.funnel_entry_token AS funnel,
    sent.agent__client_platform_family AS platform,
    sent.mediawiki__skin AS skin,
    sent.mediawiki__database AS wiki,
    sent.status,
    sent.outcome,
    coalesce(landed.copies, 0) AS copies,
    landed.delay_ms,
    CASE
        WHEN landed.differs THEN 'corrupted'
        WHEN landed.delay_ms > $deadline_ms THEN 'late'
        WHEN landed.id IS NOT NULL THEN 'ok'
        WHEN reported.event_key IS NOT NULL THEN 'invalid'
        WHEN sent.status IN (201, 202) OR sent.outcome = 'ok' THEN 'lost'
        WHEN sent.outcome IN ('invalid', 'error') THEN 'invalid'
        ELSE 'indeterminate'
    END AS fate,
    coalesce(reported.message, sent.reason) AS reason
FROM sent
LEFT JOIN landed ON sent.event_key = landed.id
LEFT JOIN reported ON sent.event_key = reported.event_key
