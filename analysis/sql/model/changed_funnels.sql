-- Observed rows of funnels that landed completely but changed, with what the order of a funnel follows from.
-- Every event of such a funnel landed once, under its own funnel's token, and at least one was corrupted. A funnel that
-- landed unchanged is in order if it was sent in order. Losses and duplicates have their own checks, and would look
-- like a broken funnel here.
WITH fates AS (
    SELECT
        sent.funnel_entry_token,
        event_fates.fate,
        event_fates.copies
    FROM sent
    INNER JOIN event_fates ON sent.event_number = event_fates.event_number
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
FROM observed_annotated
WHERE
    funnel_entry_token IN (SELECT funnel_entry_token FROM changed)
    AND id_hash IN (SELECT id_hash FROM observed WHERE was_sent)
