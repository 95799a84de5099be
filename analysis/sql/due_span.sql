-- When the first and the last event that was sent were due; 0 when nothing was sent.
SELECT
    coalesce(min(due_ms), 0) AS first_ms,
    coalesce(max(due_ms), 0) AS last_ms
FROM classified
