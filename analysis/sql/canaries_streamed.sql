-- Canary events that the topics of the stream held, and the hours that they are from.
SELECT
    topic,
    count(*) AS events,
    count(DISTINCT hour_start) AS hours
FROM streamed
WHERE canary
GROUP BY topic
ORDER BY topic
