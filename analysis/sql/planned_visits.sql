-- How many events, and how many clicks, each visit of the plan has.
SELECT
    visit,
    count(*) AS events,
    count(*) FILTER (WHERE action = 'click') AS clicks
FROM planned
GROUP BY visit
ORDER BY visit
