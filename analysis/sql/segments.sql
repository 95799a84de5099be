-- Subjects and events of each group, segment by segment: sent, landed, lost.
-- Who was chosen for their group counts with their events and not as a subject.
WITH told AS (
    SELECT 'persona' AS dimension, persona AS value, visits.* FROM visits
    UNION ALL
    SELECT 'fidelity' AS dimension, fidelity AS value, visits.* FROM visits
    UNION ALL
    SELECT 'platform' AS dimension, platform AS value, visits.* FROM visits
    UNION ALL
    SELECT 'skin' AS dimension, skin AS value, visits.* FROM visits
    UNION ALL
    SELECT 'wiki' AS dimension, wiki AS value, visits.* FROM visits
    UNION ALL
    SELECT 'worker' AS dimension, worker AS value, visits.* FROM visits
    UNION ALL
    SELECT 'hour' AS dimension, CAST(CAST(floor(first_ms / 3600000) AS BIGINT) AS VARCHAR) AS value, visits.* FROM visits
)
SELECT
    dimension,
    value,
    group_name,
    count(*) FILTER (WHERE by_chance) AS sent_subjects,
    count(*) FILTER (WHERE by_chance AND landed_events > 0) AS landed_subjects,
    CAST(sum(sent_events) AS BIGINT) AS sent_events,
    CAST(sum(lost_events) AS BIGINT) AS lost_events
FROM told
WHERE group_name <> ''
GROUP BY dimension, value, group_name
ORDER BY dimension, value, group_name
