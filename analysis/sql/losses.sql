-- Per group: events that were sent and that were lost, and how many subjects sent, and lost, one or more.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE lost_events > 0) AS losing_subjects,
    CAST(sum(sent_events) AS BIGINT) AS sent_events,
    CAST(sum(lost_events) AS BIGINT) AS lost_events
FROM visits
GROUP BY group_name
ORDER BY group_name
