-- Names that the instrument's events carry, with the number of events.
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
