-- The subject that the most rows name, and how many events were sent of it.
WITH heaviest AS (
    SELECT
        subject,
        sum(events) AS total
    FROM seen_landed
    WHERE subject IS NOT NULL
    GROUP BY subject
    ORDER BY total DESC, subject
    LIMIT 1
)
SELECT
    heaviest.subject,
    CAST(heaviest.total AS BIGINT) AS events,
    CAST(coalesce((SELECT sum(events) FROM seen_sent WHERE subject = heaviest.subject), 0) AS BIGINT) AS sent_events
FROM heaviest
