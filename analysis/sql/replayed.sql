-- Events that landed under an id that was not sent, though funnel, position and action are those of one that was: the
-- same event, delivered again and given a new id.
SELECT
    observed.event_key AS id,
    sent.event_key AS sent_id,
    count(*) AS copies
FROM observed
INNER JOIN sent
    ON
        observed.funnel_entry_token = sent.funnel_entry_token
        AND observed.funnel_event_sequence_position = sent.funnel_event_sequence_position
        AND observed.action = sent.action
INNER JOIN classified ON sent.event_key = classified.id
WHERE NOT observed.was_sent AND classified.copies > 0
GROUP BY observed.event_key, sent.event_key
ORDER BY id
