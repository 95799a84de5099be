-- The subject with the most rows, and the number of events that were sent for it.
WITH landed AS (
    SELECT
        subject,
        sum(events) AS total
    FROM subjects_landed
    WHERE subject IS NOT NULL
    GROUP BY subject
),
sent AS (
    SELECT
        subject,
        sum(events) AS total
    FROM subjects_sent
    GROUP BY subject
)
SELECT
    landed.subject,
    CAST(landed.total AS BIGINT) AS events,
    CAST(coalesce(sent.total, 0) AS BIGINT) AS sent_events
FROM landed
LEFT JOIN sent ON landed.subject = sent.subject
ORDER BY landed.total DESC, landed.subject
LIMIT 1
