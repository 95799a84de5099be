-- Sent, acknowledged, landed and lost events by bucket of their due time.
SELECT
    CAST(floor((due_ms - $from_ms) / $bucket_ms) AS BIGINT) AS bucket,
    count(*) AS sent_events,
    count(*) FILTER (WHERE status IN (201, 202) OR outcome = 'ok') AS acknowledged_events,
    count(*) FILTER (WHERE event_fates.copies > 0) AS landed_events,
    count(*) FILTER (WHERE fate = 'lost') AS lost_events,
    count(*) FILTER (WHERE fate = 'lost' AND visits.landed_events > 0) AS lost_of_landed
FROM event_fates
INNER JOIN visits ON event_fates.visit = visits.visit
GROUP BY CAST(floor((due_ms - $from_ms) / $bucket_ms) AS BIGINT)
ORDER BY bucket
