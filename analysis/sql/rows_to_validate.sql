-- Rows to set beside their schema; of many, those that their ids put first.
SELECT observed.*
FROM observed
ORDER BY md5(event_key), event_key
LIMIT $most
