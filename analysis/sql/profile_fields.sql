-- How many events the instrument has, and how many of them have each field that one generation has and another does not.
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
