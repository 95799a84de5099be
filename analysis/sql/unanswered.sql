-- Subjects of each group, and those of them with an event that nobody answered and that did not land; and events.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE unanswered > 0) AS hit,
    CAST(sum(unanswered) AS BIGINT) AS events,
    CAST(sum(sent_events) AS BIGINT) AS sent_events
FROM (
    SELECT
        visit,
        group_name,
        count(*) AS sent_events,
        count(*) FILTER (WHERE fate = 'indeterminate') AS unanswered
    FROM classified
    GROUP BY visit, group_name
) AS counted
WHERE group_name <> ''
GROUP BY group_name
ORDER BY group_name
