-- Where the events that are lost were seen last: in which topic of the stream, and of which hour; none when in no topic.
WITH lost AS (
    SELECT DISTINCT
        sent.event_number,
        sent.event_key
    FROM sent
    INNER JOIN classified ON sent.event_number = classified.event_number
    WHERE classified.fate = 'lost'
),
keyed AS (
    SELECT id AS event_key, topic, hour_start FROM streamed
    UNION ALL
    SELECT funnel AS event_key, topic, hour_start FROM streamed
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
