-- Schemas that lost or invalid events name, with the number of events.
SELECT
    sent._schema AS schema_uri,
    count(*) FILTER (WHERE event_fates.fate = 'lost' AND event_fates.status = 202) AS lost_events,
    count(*) FILTER (WHERE event_fates.fate = 'invalid') AS refused_events
FROM event_fates
INNER JOIN sent ON event_fates.event_number = sent.event_number
WHERE event_fates.fate IN ('lost', 'invalid')
GROUP BY sent._schema
ORDER BY lost_events + refused_events DESC, schema_uri
