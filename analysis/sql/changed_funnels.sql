-- What the order of funnels follows from, of the observed rows of those funnels of which every event landed, once and
-- under its own funnel's token, and some not as it was sent. Funnels that landed as they were sent are in order if they
-- were then; what was lost or doubled is told of elsewhere, and would look like a broken funnel here.
WITH fates AS (
    SELECT
        sent.funnel_entry_token,
        classified.fate,
        classified.copies
    FROM sent
    INNER JOIN classified ON sent.event_number = classified.event_number
),
changed AS (
    SELECT funnel_entry_token
    FROM fates
    GROUP BY funnel_entry_token
    HAVING count(*) = count(*) FILTER (WHERE copies = 1) AND count(*) FILTER (WHERE fate = 'corrupted') > 0
)
SELECT
    funnel_entry_token,
    funnel_event_sequence_position,
    action,
    client_ms,
    performer__pageview_id,
    instrument_name,
    element_friendly_name
FROM observed_all
WHERE
    funnel_entry_token IN (SELECT funnel_entry_token FROM changed)
    AND id_number IN (SELECT id_number FROM observed WHERE was_sent)
