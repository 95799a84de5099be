-- Of subjects that vanished altogether, of those that lost a part of their events, and of the others: how many there
-- are and how many events they had sent.
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
