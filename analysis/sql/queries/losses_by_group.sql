-- Sent and lost events of each group, and its subjects with and without a lost event.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE lost_events > 0) AS losing_subjects,
    CAST(sum(sent_events) AS BIGINT) AS sent_events,
    CAST(sum(lost_events) AS BIGINT) AS lost_events
FROM visits
GROUP BY group_name
ORDER BY group_name
