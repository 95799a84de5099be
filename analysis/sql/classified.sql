-- What became of every event that was sent, by its id: exactly one category each.
-- deadline_ms: how long after an event was due its row may take.
WITH landed AS (
    SELECT
        event_key AS id,
        count(*) AS copies,
        min(content) AS least_content,
        max(content) AS most_content,
        min(intake_ms) AS intake_ms
    FROM observed
    WHERE was_sent
    GROUP BY event_key
),
reported AS (
    SELECT event_key, min(message) AS message FROM refused GROUP BY event_key
)
SELECT
    sent.event_key AS id,
    sent.visit,
    sent.position,
    sent.action,
    sent.group_name,
    sent.worker,
    sent.due_ms,
    sent.funnel_entry_token AS funnel,
    sent.agent__client_platform_family AS platform,
    sent.mediawiki__skin AS skin,
    sent.mediawiki__database AS wiki,
    sent.status,
    sent.outcome,
    coalesce(landed.copies, 0) AS copies,
    landed.intake_ms - sent.due_ms AS delay_ms,
    CASE
        WHEN landed.least_content <> sent.content OR landed.most_content <> sent.content THEN 'corrupted'
        WHEN landed.intake_ms - sent.due_ms > $deadline_ms THEN 'late'
        WHEN landed.id IS NOT NULL THEN 'ok'
        WHEN reported.event_key IS NOT NULL THEN 'invalid'
        WHEN sent.status IN (201, 202) OR sent.outcome = 'ok' THEN 'lost'
        WHEN sent.outcome IN ('invalid', 'error') THEN 'invalid'
        ELSE 'indeterminate'
    END AS fate,
    coalesce(reported.message, sent.reason) AS reason
FROM sent
LEFT JOIN landed ON sent.event_key = landed.id
LEFT JOIN reported ON sent.event_key = reported.event_key
