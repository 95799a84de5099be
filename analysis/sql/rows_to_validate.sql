-- Rows to set beside their schema; of many, those that their ids put first.
SELECT observed_all.*
FROM observed_all
WHERE
    id_number IN (
        SELECT id_number FROM observed ORDER BY event_number % 1000003 * 7919 % 1000003, strange_id LIMIT $most
    )
