-- Per group: events that were sent and that were lost, and how many subjects sent, and lost, one or more.
SELECT
    group_name,
    count(*) AS subjects,
    sum(lost_one) AS losing_subjects,
    sum(sent_events) AS sent_events,
    sum(lost_events) AS lost_events
FROM (
    SELECT
        group_name,
        visit,
        count(*) AS sent_events,
        sum(CASE WHEN fate = 'lost' THEN 1 ELSE 0 END) AS lost_events,
        max(CASE WHEN fate = 'lost' THEN 1 ELSE 0 END) AS lost_one
    FROM classified
    GROUP BY group_name, visit
) AS by_subject
GROUP BY group_name
ORDER BY group_name
