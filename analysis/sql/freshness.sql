-- How long after they were due the events that landed were in their topic, and in the table, in milliseconds; null where
-- it was not written down. A row that was written twice was there from the first time on.
WITH came AS (
    SELECT
        meta_id,
        min(topic_ms) AS topic_ms,
        min(table_ms) AS table_ms
    FROM arrivals
    GROUP BY meta_id
)
SELECT
    came.topic_ms - classified.due_ms AS topic_delay_ms,
    came.table_ms - classified.due_ms AS table_delay_ms
FROM observed
INNER JOIN came ON observed.id_number = hash(came.meta_id)
INNER JOIN classified ON observed.event_number = classified.event_number
