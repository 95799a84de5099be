-- Malformed subject ids, with their landed and their sent events.
SELECT
    landed.subject,
    CAST(sum(landed.events) AS BIGINT) AS events,
    CAST(coalesce(sum(sent.events), 0) AS BIGINT) AS sent_events
FROM subjects_landed AS landed
LEFT JOIN subjects_sent AS sent ON landed.subject = sent.subject AND landed.group_name IS NOT DISTINCT FROM sent.group_name
WHERE NOT landed.valid AND landed.subject IS NOT NULL
GROUP BY landed.subject
ORDER BY sum(landed.events) DESC, landed.subject
