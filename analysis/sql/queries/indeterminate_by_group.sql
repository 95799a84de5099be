-- Subjects and events of each group, and how many of them are indeterminate: no response, and not landed.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE indeterminate_events > 0) AS hit,
    CAST(sum(indeterminate_events) AS BIGINT) AS events,
    CAST(sum(sent_events) AS BIGINT) AS sent_events
FROM visits
WHERE group_name <> ''
GROUP BY group_name
ORDER BY group_name
