-- Events that landed under an id that was not sent, though funnel, position and action match a sent event.
-- The same event was delivered again under a new id. Where an event has no position, its time is compared.
WITH unexpected AS (
    SELECT
        meta__id,
        funnel_entry_token,
        coalesce(CAST(funnel_event_sequence_position AS VARCHAR), dt) AS position_or_time,
        action
    FROM observed_annotated
    WHERE id_hash IN (SELECT id_hash FROM observed WHERE NOT was_sent)
)
SELECT
    unexpected.meta__id AS id,
    sent.event_key AS sent_id,
    count(*) AS copies
FROM unexpected
INNER JOIN sent
    ON
        unexpected.funnel_entry_token = sent.funnel_entry_token
        AND unexpected.position_or_time = coalesce(CAST(sent.funnel_event_sequence_position AS VARCHAR), sent.dt)
        AND unexpected.action = sent.action
INNER JOIN event_fates ON sent.event_number = event_fates.event_number
WHERE event_fates.copies > 0
GROUP BY unexpected.meta__id, sent.event_key
ORDER BY id
