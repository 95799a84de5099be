-- Every sent event with exactly one fate.
-- deadline_ms: milliseconds after its due time within which a row has to be received.
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
rejected AS (
    SELECT event_key, min(message) AS message FROM rejection_reports GROUP BY event_key
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
        WHEN rejected.event_key IS NOT NULL THEN 'invalid'
        WHEN sent.status IN (201, 202) OR sent.outcome = 'ok' THEN 'lost'
        WHEN sent.outcome IN ('invalid', 'error') THEN 'invalid'
        ELSE 'indeterminate'
    END AS fate,
    coalesce(rejected.message, sent.reason) AS reason
FROM sent
LEFT JOIN landed ON sent.event_number = landed.event_number
LEFT JOIN rejected ON sent.event_key = rejected.event_key
