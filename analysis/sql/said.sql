-- What every event says that was put on the wire, each once: as `sent`, without its facts.
SELECT
    planned.*,
    planned.meta__id AS event_key,
    planned.visit * 1048576 + planned.position AS event_number
FROM planned
UNION ALL
SELECT carried.*
FROM carried
