-- How many events of each action every page view of a session sent, and how many of them landed.
SELECT
    sent.performer__pageview_id AS pageview_id,
    sent.action AS action,
    count(DISTINCT sent.event_number) AS sent_events,
    count(DISTINCT sent.event_number) FILTER (WHERE classified.copies > 0) AS landed_events
FROM sent
INNER JOIN classified ON sent.event_number = classified.event_number
WHERE sent.visit >= $first_visit AND sent.action IN ('impression', 'click')
GROUP BY sent.performer__pageview_id, sent.action
