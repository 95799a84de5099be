-- Sample rates and units that events name, with the number of events.
SELECT
    sample__rate AS rate,
    sample__unit AS unit,
    count(*) AS events
FROM observed
WHERE action IN ('impression', 'click')
GROUP BY sample__rate, sample__unit
ORDER BY events DESC, rate, unit
