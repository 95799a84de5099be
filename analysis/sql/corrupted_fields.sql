-- How many landed rows differ from the event that was sent, field by field.
-- What the intake fills in (meta.dt, meta.request_id, http) is not compared.
WITH wrong AS (
    SELECT DISTINCT
        observed.event_key,
        observed.meta__id
    FROM observed
    INNER JOIN classified ON observed.event_key = classified.id
    WHERE classified.fate = 'corrupted'
)
SELECT
    count(*) FILTER (WHERE sent._schema IS DISTINCT FROM landed._schema) AS _schema,
    count(*) FILTER (WHERE sent.meta__stream IS DISTINCT FROM landed.meta__stream) AS meta__stream,
    count(*) FILTER (WHERE sent.meta__domain IS DISTINCT FROM landed.meta__domain) AS meta__domain,
    count(*) FILTER (WHERE sent.meta__uri IS DISTINCT FROM landed.meta__uri) AS meta__uri,
    count(*) FILTER (WHERE sent.dt IS DISTINCT FROM landed.dt) AS dt,
    count(*) FILTER (WHERE sent.action IS DISTINCT FROM landed.action) AS action,
    count(*) FILTER (WHERE sent.action_subtype IS DISTINCT FROM landed.action_subtype) AS action_subtype,
    count(*) FILTER (WHERE sent.action_source IS DISTINCT FROM landed.action_source) AS action_source,
    count(*) FILTER (WHERE sent.action_context IS DISTINCT FROM landed.action_context) AS action_context,
    count(*) FILTER (WHERE sent.element_id IS DISTINCT FROM landed.element_id) AS element_id,
    count(*) FILTER (WHERE sent.element_friendly_name IS DISTINCT FROM landed.element_friendly_name) AS element_friendly_name,
    count(*) FILTER (WHERE sent.instrument_name IS DISTINCT FROM landed.instrument_name) AS instrument_name,
    count(*) FILTER (WHERE sent.funnel_name IS DISTINCT FROM landed.funnel_name) AS funnel_name,
    count(*) FILTER (WHERE sent.funnel_entry_token IS DISTINCT FROM landed.funnel_entry_token) AS funnel_entry_token,
    count(*) FILTER (WHERE sent.funnel_event_sequence_position IS DISTINCT FROM landed.funnel_event_sequence_position) AS funnel_event_sequence_position,
    count(*) FILTER (WHERE sent.sample__rate IS DISTINCT FROM landed.sample__rate) AS sample__rate,
    count(*) FILTER (WHERE sent.sample__unit IS DISTINCT FROM landed.sample__unit) AS sample__unit,
    count(*) FILTER (WHERE sent.experiments__enrolled IS DISTINCT FROM landed.experiments__enrolled) AS experiments__enrolled,
    count(*) FILTER (WHERE sent.experiments__assigned IS DISTINCT FROM landed.experiments__assigned) AS experiments__assigned,
    count(*) FILTER (WHERE sent.agent__client_platform IS DISTINCT FROM landed.agent__client_platform) AS agent__client_platform,
    count(*) FILTER (WHERE sent.agent__client_platform_family IS DISTINCT FROM landed.agent__client_platform_family) AS agent__client_platform_family,
    count(*) FILTER (WHERE sent.agent__release_status IS DISTINCT FROM landed.agent__release_status) AS agent__release_status,
    count(*) FILTER (WHERE sent.page__id IS DISTINCT FROM landed.page__id) AS page__id,
    count(*) FILTER (WHERE sent.page__title IS DISTINCT FROM landed.page__title) AS page__title,
    count(*) FILTER (WHERE sent.page__namespace_id IS DISTINCT FROM landed.page__namespace_id) AS page__namespace_id,
    count(*) FILTER (WHERE sent.page__namespace_name IS DISTINCT FROM landed.page__namespace_name) AS page__namespace_name,
    count(*) FILTER (WHERE sent.page__revision_id IS DISTINCT FROM landed.page__revision_id) AS page__revision_id,
    count(*) FILTER (WHERE sent.page__content_language IS DISTINCT FROM landed.page__content_language) AS page__content_language,
    count(*) FILTER (WHERE sent.page__is_redirect IS DISTINCT FROM landed.page__is_redirect) AS page__is_redirect,
    count(*) FILTER (WHERE sent.page__user_groups_allowed_to_move IS DISTINCT FROM landed.page__user_groups_allowed_to_move) AS page__user_groups_allowed_to_move,
    count(*) FILTER (WHERE sent.page__user_groups_allowed_to_edit IS DISTINCT FROM landed.page__user_groups_allowed_to_edit) AS page__user_groups_allowed_to_edit,
    count(*) FILTER (WHERE sent.page__wikidata_qid IS DISTINCT FROM landed.page__wikidata_qid) AS page__wikidata_qid,
    count(*) FILTER (WHERE sent.mediawiki__database IS DISTINCT FROM landed.mediawiki__database) AS mediawiki__database,
    count(*) FILTER (WHERE sent.mediawiki__skin IS DISTINCT FROM landed.mediawiki__skin) AS mediawiki__skin,
    count(*) FILTER (WHERE sent.mediawiki__version IS DISTINCT FROM landed.mediawiki__version) AS mediawiki__version,
    count(*) FILTER (WHERE sent.mediawiki__site_content_language IS DISTINCT FROM landed.mediawiki__site_content_language) AS mediawiki__site_content_language,
    count(*) FILTER (WHERE sent.mediawiki__site_content_language_variant IS DISTINCT FROM landed.mediawiki__site_content_language_variant) AS mediawiki__site_content_language_variant,
    count(*) FILTER (WHERE sent.performer__id IS DISTINCT FROM landed.performer__id) AS performer__id,
    count(*) FILTER (WHERE sent.performer__name IS DISTINCT FROM landed.performer__name) AS performer__name,
    count(*) FILTER (WHERE sent.performer__is_logged_in IS DISTINCT FROM landed.performer__is_logged_in) AS performer__is_logged_in,
    count(*) FILTER (WHERE sent.performer__is_temp IS DISTINCT FROM landed.performer__is_temp) AS performer__is_temp,
    count(*) FILTER (WHERE sent.performer__is_bot IS DISTINCT FROM landed.performer__is_bot) AS performer__is_bot,
    count(*) FILTER (WHERE sent.performer__session_id IS DISTINCT FROM landed.performer__session_id) AS performer__session_id,
    count(*) FILTER (WHERE sent.performer__pageview_id IS DISTINCT FROM landed.performer__pageview_id) AS performer__pageview_id,
    count(*) FILTER (WHERE sent.performer__active_browsing_session_token IS DISTINCT FROM landed.performer__active_browsing_session_token) AS performer__active_browsing_session_token,
    count(*) FILTER (WHERE sent.performer__groups IS DISTINCT FROM landed.performer__groups) AS performer__groups,
    count(*) FILTER (WHERE sent.performer__language IS DISTINCT FROM landed.performer__language) AS performer__language,
    count(*) FILTER (WHERE sent.performer__language_variant IS DISTINCT FROM landed.performer__language_variant) AS performer__language_variant,
    count(*) FILTER (WHERE sent.performer__can_probably_edit_page IS DISTINCT FROM landed.performer__can_probably_edit_page) AS performer__can_probably_edit_page,
    count(*) FILTER (WHERE sent.performer__edit_count IS DISTINCT FROM landed.performer__edit_count) AS performer__edit_count,
    count(*) FILTER (WHERE sent.performer__edit_count_bucket IS DISTINCT FROM landed.performer__edit_count_bucket) AS performer__edit_count_bucket,
    count(*) FILTER (WHERE sent.performer__registration_dt IS DISTINCT FROM landed.performer__registration_dt) AS performer__registration_dt,
    count(*) FILTER (WHERE sent.experiment__enrolled IS DISTINCT FROM landed.experiment__enrolled) AS experiment__enrolled,
    count(*) FILTER (WHERE sent.experiment__assigned IS DISTINCT FROM landed.experiment__assigned) AS experiment__assigned,
    count(*) FILTER (WHERE sent.experiment__subject_id IS DISTINCT FROM landed.experiment__subject_id) AS experiment__subject_id,
    count(*) FILTER (WHERE sent.experiment__sampling_unit IS DISTINCT FROM landed.experiment__sampling_unit) AS experiment__sampling_unit,
    count(*) FILTER (WHERE sent.experiment__coordinator IS DISTINCT FROM landed.experiment__coordinator) AS experiment__coordinator
FROM wrong
INNER JOIN sent ON wrong.event_key = sent.event_key
INNER JOIN observed_all AS landed ON wrong.meta__id = landed.meta__id
