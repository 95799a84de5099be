-- Rows to set beside their schema; of many, those that their ids put first.
SELECT *
FROM observed_flat
WHERE
    hash(meta__id) IN (
        SELECT id_number FROM observed ORDER BY event_number % 1000003 * 7919 % 1000003, strange_id LIMIT $most
    )
