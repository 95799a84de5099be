-- The sent events with the key by which their rows are found: the id, where the sender gave one. A browser leaves that
-- to the intake; its events are told apart by funnel, position and action.
SELECT
    sent_whole.*,
    coalesce(meta__id, concat_ws('/', funnel_entry_token, funnel_event_sequence_position, action)) AS event_key
FROM sent_whole
