-- The names that events of the instrument carry, with how many events carry them.
SELECT
    action,
    _schema,
    meta__stream,
    mediawiki__database,
    instrument_name,
    element_friendly_name,
    count(*) AS events
FROM observed
WHERE action IN ('impression', 'click')
GROUP BY action, _schema, meta__stream, mediawiki__database, instrument_name, element_friendly_name
ORDER BY events DESC
