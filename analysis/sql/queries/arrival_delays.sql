-- Milliseconds from the due time of each landed event until it was in its topic, and in the table.
-- Null where no arrival was recorded. A row that arrived twice counts from its first arrival.
WITH first_arrivals AS (
    SELECT
        meta_id,
        min(topic_ms) AS topic_ms,
        min(table_ms) AS table_ms
    FROM arrivals
    GROUP BY meta_id
)
SELECT
    first_arrivals.topic_ms - event_fates.due_ms AS topic_delay_ms,
    first_arrivals.table_ms - event_fates.due_ms AS table_delay_ms
FROM observed
INNER JOIN first_arrivals ON observed.id_hash = hash(first_arrivals.meta_id)
INNER JOIN event_fates ON observed.event_number = event_fates.event_number
