-- Subjects of each group, and those of them with an event that nobody answered and that did not land; and events.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE unanswered_events > 0) AS hit,
    CAST(sum(unanswered_events) AS BIGINT) AS events,
    CAST(sum(sent_events) AS BIGINT) AS sent_events
FROM visits
WHERE group_name <> ''
GROUP BY group_name
ORDER BY group_name
