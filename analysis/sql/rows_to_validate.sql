-- Rows to set beside their schema; of many, those that their ids put first.
SELECT observed_all.*
FROM observed_all
WHERE
    meta__id IN (
        SELECT meta__id FROM observed ORDER BY md5(meta__id), meta__id LIMIT $most
    )
