-- Subject ids that are no ids, with the events that carry them, as they landed and as they were sent.
SELECT
    landed.subject,
    CAST(sum(landed.events) AS BIGINT) AS events,
    CAST(coalesce(sum(sent.events), 0) AS BIGINT) AS sent_events
FROM seen_landed AS landed
LEFT JOIN seen_sent AS sent ON landed.subject = sent.subject AND landed.group_name IS NOT DISTINCT FROM sent.group_name
WHERE NOT landed.valid AND landed.subject IS NOT NULL
GROUP BY landed.subject
ORDER BY sum(landed.events) DESC, landed.subject
