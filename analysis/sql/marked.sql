-- Flat rows with what is read from them. Their times as numbers, milliseconds since 1970. Whether they are of the
-- experiment, and the subject and group that they name: an alpha subject is the wiki's local user id, an xlab subject the
-- 64-digit subject id. A number of 64 bits that stands for the id, as joining many millions of texts takes memory and time.
-- And one that stands for their content, so that rows can be compared without comparing every field; what the intake
-- fills in (meta.dt, meta.request_id, http) is no part of it, nor is the id, which finds the row.
SELECT
    *,
    CASE WHEN meta__id IS NOT NULL THEN hash(meta__id) END AS id_number,
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
    END AS seen_group,
    hash(
        _schema,
        meta__stream,
        meta__domain,
        meta__uri,
        dt,
        action,
        action_subtype,
        action_source,
        action_context,
        element_id,
        element_friendly_name,
        instrument_name,
        funnel_name,
        funnel_entry_token,
        funnel_event_sequence_position,
        sample__rate,
        sample__unit,
        experiments__enrolled,
        experiments__assigned,
        agent__client_platform,
        agent__client_platform_family,
        agent__release_status,
        page__id,
        page__title,
        page__namespace_id,
        page__namespace_name,
        page__revision_id,
        page__content_language,
        page__is_redirect,
        page__user_groups_allowed_to_move,
        page__user_groups_allowed_to_edit,
        page__wikidata_qid,
        mediawiki__database,
        mediawiki__skin,
        mediawiki__version,
        mediawiki__site_content_language,
        mediawiki__site_content_language_variant,
        performer__id,
        performer__name,
        performer__is_logged_in,
        performer__is_temp,
        performer__is_bot,
        performer__session_id,
        performer__pageview_id,
        performer__active_browsing_session_token,
        performer__groups,
        performer__language,
        performer__language_variant,
        performer__can_probably_edit_page,
        performer__edit_count,
        performer__edit_count_bucket,
        performer__registration_dt,
        experiment__enrolled,
        experiment__assigned,
        experiment__subject_id,
        experiment__sampling_unit,
        experiment__coordinator
    ) AS content
FROM flat
CROSS JOIN asked
