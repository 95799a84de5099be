-- Rows to validate against their schema; of many, a sample by event number.
SELECT *
FROM observed_flattened
WHERE
    hash(meta__id) IN (
        SELECT id_hash FROM observed ORDER BY event_number % 1000003 * 7919 % 1000003, unexpected_id LIMIT $most
    )
