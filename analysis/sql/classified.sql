-- What became of every event that was sent: exactly one category each.
-- deadline_ms: how long after an event was due its row may take.
WITH landed AS (
    SELECT
        event_number,
        count(*) AS copies,
        bool_or(differs) AS differs,
        min(intake_ms) AS intake_ms,
        min(source) AS source
    FROM observed
    WHERE was_sent
    GROUP BY event_number
),
reported AS (
    SELECT event_key, min(message) AS message FROM refused GROUP BY event_key
)
SELECT
    sent.event_number,
    sent.visit,
    sent.position,
    sent.action,
    sent.group_name,
    sent.worker,
    sent.due_ms,
    sent.agent__client_platform_family AS platform,
    sent.mediawiki__skin AS skin,
    sent.mediawiki__database AS wiki,
    sent.status,
    sent.outcome,
    landed.source,
    coalesce(landed.copies, 0) AS copies,
    landed.intake_ms - sent.due_ms AS delay_ms,
    CASE
        WHEN landed.differs THEN 'corrupted'
        WHEN landed.intake_ms - sent.due_ms > $deadline_ms THEN 'late'
        WHEN landed.event_number IS NOT NULL THEN 'ok'
        WHEN reported.event_key IS NOT NULL THEN 'invalid'
        WHEN sent.status IN (201, 202) OR sent.outcome = 'ok' THEN 'lost'
        WHEN sent.outcome IN ('invalid', 'error') THEN 'invalid'
        ELSE 'indeterminate'
    END AS fate,
    coalesce(reported.message, sent.reason) AS reason
FROM sent
LEFT JOIN landed ON sent.event_number = landed.event_number
LEFT JOIN reported ON sent.event_key = reported.event_key
