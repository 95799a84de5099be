-- Subjects that lost all, some or none of their events, with the number of events that they sent.
SELECT
    CASE
        WHEN lost_events = 0 THEN 'untouched'
        WHEN landed_events = 0 THEN 'vanished'
        ELSE 'partial'
    END AS what,
    count(*) AS subjects,
    CAST(sum(sent_events) AS BIGINT) AS events,
    CAST(sum(sent_events * sent_events) AS BIGINT) AS events_squared
FROM visits
GROUP BY CASE WHEN lost_events = 0 THEN 'untouched' WHEN landed_events = 0 THEN 'vanished' ELSE 'partial' END
