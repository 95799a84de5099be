-- Sent and landed events of each page view of a session, by action.
SELECT
    sent.performer__pageview_id AS pageview_id,
    sent.action AS action,
    count(DISTINCT sent.event_number) AS sent_events,
    count(DISTINCT sent.event_number) FILTER (WHERE event_fates.copies > 0) AS landed_events
FROM sent
INNER JOIN event_fates ON sent.event_number = event_fates.event_number
WHERE sent.visit >= $first_visit AND sent.action IN ('impression', 'click')
GROUP BY sent.performer__pageview_id, sent.action
