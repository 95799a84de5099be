-- How long after they were due the intake had received the events that landed, in milliseconds.
SELECT delay_ms
FROM classified
WHERE delay_ms IS NOT NULL
