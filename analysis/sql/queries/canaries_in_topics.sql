-- Canary events in the topics of the stream, and the number of hours that have any.
SELECT
    topic,
    count(*) AS events,
    count(DISTINCT hour_start) AS hours
FROM streamed_events
WHERE canary
GROUP BY topic
ORDER BY topic
