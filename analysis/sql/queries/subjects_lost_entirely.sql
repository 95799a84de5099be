-- Number of subjects by group that have acknowledged events and no landed event.
SELECT
    group_name,
    count(*) AS subjects
FROM visits
WHERE landed_events = 0 AND lost_events > 0
GROUP BY group_name
ORDER BY group_name
