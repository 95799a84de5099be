-- Number of the instrument's events, and in how many of them each generation-specific field is filled in.
SELECT
    count(*) AS events,
    count(action_source) AS action_source,
    count(funnel_entry_token) AS funnel_entry_token,
    count(element_friendly_name) AS element_friendly_name,
    count(funnel_event_sequence_position) AS funnel_event_sequence_position,
    count(instrument_name) AS instrument_name,
    count(sample__rate) AS sample,
    count(experiments__enrolled) AS experiments,
    count(experiment__enrolled) AS experiment
FROM observed
WHERE action IN ('impression', 'click')
