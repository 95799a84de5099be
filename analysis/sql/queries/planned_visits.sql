-- Number of events, and of clicks, in each visit of the plan.
SELECT
    visit,
    count(*) AS events,
    count(*) FILTER (WHERE action = 'click') AS clicks
FROM planned
GROUP BY visit
ORDER BY visit
