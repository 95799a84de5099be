-- What the order of funnels follows from, of the observed rows of those funnels of which every event landed, once and
-- under its own funnel's token, and some not as it was sent. Funnels that landed as they were sent are in order if they
-- were then; what was lost or doubled is told of elsewhere, and would look like a broken funnel here.
SELECT
    observed.funnel_entry_token,
    observed.funnel_event_sequence_position,
    observed.action,
    observed.client_ms,
    observed.performer__pageview_id,
    observed.instrument_name,
    observed.element_friendly_name
FROM observed
WHERE
    was_sent
    AND funnel_entry_token IN (
        SELECT funnel
        FROM classified
        WHERE funnel IN (SELECT funnel FROM classified WHERE fate = 'corrupted')
        GROUP BY funnel
        HAVING count(*) = count(*) FILTER (WHERE copies = 1)
    )
