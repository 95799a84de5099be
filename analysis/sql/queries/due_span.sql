-- Due times of the first and the last sent event; 0 when nothing was sent.
SELECT
    coalesce(min(due_ms), 0) AS first_ms,
    coalesce(max(due_ms), 0) AS last_ms
FROM event_fates
