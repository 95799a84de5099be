-- The schemas that lost or refused events name, with how many events name each.
SELECT
    sent._schema AS schema_uri,
    count(*) FILTER (WHERE classified.fate = 'lost' AND classified.status = 202) AS lost_events,
    count(*) FILTER (WHERE classified.fate = 'invalid') AS refused_events
FROM classified
INNER JOIN sent ON classified.event_number = sent.event_number
WHERE classified.fate IN ('lost', 'invalid')
GROUP BY sent._schema
ORDER BY lost_events + refused_events DESC, schema_uri
