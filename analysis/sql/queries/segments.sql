-- Sent, landed and lost subjects and events by segment and group.
-- A subject that was chosen for its group counts with its events and not as a subject.
WITH visits_by_hour AS (
    SELECT
        *,
        CAST(CAST(floor(first_ms / 3600000) AS BIGINT) AS VARCHAR) AS hour
    FROM visits
    WHERE group_name <> ''
),
counted AS (
    SELECT
        fidelity,
        persona,
        platform,
        skin,
        wiki,
        browser,
        datacenter,
        worker,
        hour,
        group_name,
        count(*) FILTER (WHERE by_chance) AS sent_subjects,
        count(*) FILTER (WHERE by_chance AND landed_events > 0) AS landed_subjects,
        CAST(sum(sent_events) AS BIGINT) AS sent_events,
        CAST(sum(lost_events) AS BIGINT) AS lost_events,
        CAST(sum(sent_events * sent_events) AS BIGINT) AS events_squared
    FROM visits_by_hour
    GROUP BY fidelity, persona, platform, skin, wiki, browser, datacenter, worker, hour, group_name
),
segments AS (
    SELECT 'persona' AS dimension, persona AS value, counted.* FROM counted
    UNION ALL
    SELECT 'fidelity' AS dimension, fidelity AS value, counted.* FROM counted
    UNION ALL
    SELECT 'platform' AS dimension, platform AS value, counted.* FROM counted
    UNION ALL
    SELECT 'skin' AS dimension, skin AS value, counted.* FROM counted
    UNION ALL
    SELECT 'wiki' AS dimension, wiki AS value, counted.* FROM counted
    UNION ALL
    SELECT 'browser' AS dimension, browser AS value, counted.* FROM counted WHERE browser <> ''
    UNION ALL
    SELECT 'data centre' AS dimension, datacenter AS value, counted.* FROM counted WHERE datacenter <> ''
    UNION ALL
    SELECT 'worker' AS dimension, worker AS value, counted.* FROM counted
    UNION ALL
    SELECT 'hour' AS dimension, hour AS value, counted.* FROM counted
)
SELECT
    dimension,
    value,
    group_name,
    CAST(sum(sent_subjects) AS BIGINT) AS sent_subjects,
    CAST(sum(landed_subjects) AS BIGINT) AS landed_subjects,
    CAST(sum(sent_events) AS BIGINT) AS sent_events,
    CAST(sum(lost_events) AS BIGINT) AS lost_events,
    CAST(sum(events_squared) AS BIGINT) AS events_squared
FROM segments
GROUP BY dimension, value, group_name
ORDER BY dimension, value, group_name
