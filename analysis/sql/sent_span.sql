-- When the first and the last event that was sent were due.
SELECT
    coalesce(min(due_ms), 0) AS first_ms,
    coalesce(max(due_ms), 0) AS last_ms
FROM sent
