-- Events that landed under an id that was not sent, though funnel, position (or time, where there is none) and
-- action are those of one that was: the same event, delivered again and given a new id.
WITH strange AS (
    SELECT
        meta__id,
        funnel_entry_token,
        coalesce(CAST(funnel_event_sequence_position AS VARCHAR), dt) AS place,
        action
    FROM observed_all
    WHERE id_number IN (SELECT id_number FROM observed WHERE NOT was_sent)
)
SELECT
    strange.meta__id AS id,
    sent.event_key AS sent_id,
    count(*) AS copies
FROM strange
INNER JOIN sent
    ON
        strange.funnel_entry_token = sent.funnel_entry_token
        AND strange.place = coalesce(CAST(sent.funnel_event_sequence_position AS VARCHAR), sent.dt)
        AND strange.action = sent.action
INNER JOIN classified ON sent.event_number = classified.event_number
WHERE classified.copies > 0
GROUP BY strange.meta__id, sent.event_key
ORDER BY id
