-- Rows to set beside their schema; of many, those that their ids put first.
SELECT observed_all.*
FROM observed_all
WHERE
    meta__id IN (
        SELECT meta__id FROM observed ORDER BY event_number % 1000003 * 7919 % 1000003, meta__id LIMIT $most
    )
