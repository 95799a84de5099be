-- Topic and hour in which lost events were last seen; empty where no topic has them.
WITH lost AS (
    SELECT DISTINCT
        sent.event_number,
        sent.event_key
    FROM sent
    INNER JOIN event_fates ON sent.event_number = event_fates.event_number
    WHERE event_fates.fate = 'lost'
),
keyed AS (
    SELECT id AS event_key, topic, hour_start FROM streamed_events
    UNION ALL
    SELECT funnel AS event_key, topic, hour_start FROM streamed_events
),
traced AS (
    SELECT
        lost.event_number,
        min(keyed.topic) AS topic,
        min(keyed.hour_start) AS hour_start
    FROM lost
    LEFT JOIN keyed ON lost.event_key = keyed.event_key
    GROUP BY lost.event_number
)
SELECT
    coalesce(topic, '') AS topic,
    coalesce(hour_start, '') AS hour_start,
    count(*) AS events
FROM traced
GROUP BY topic, hour_start
ORDER BY events DESC, topic, hour_start
