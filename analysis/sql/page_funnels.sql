-- Page views with more than one funnel of the instrument: it was started twice. Numbers stand for page views and funnels
-- until some have been found.
WITH views AS (
    SELECT
        hash(performer__pageview_id, instrument_name, element_friendly_name) AS place,
        min(hash(funnel_entry_token)) AS one,
        max(hash(funnel_entry_token)) AS other
    FROM observed
    WHERE action IN ('impression', 'click') AND performer__pageview_id IS NOT NULL AND funnel_entry_token IS NOT NULL
    GROUP BY hash(performer__pageview_id, instrument_name, element_friendly_name)
)
SELECT
    performer__pageview_id AS pageview_id,
    min(funnel_entry_token) AS one,
    max(funnel_entry_token) AS other
FROM observed
WHERE
    action IN ('impression', 'click')
    AND hash(performer__pageview_id, instrument_name, element_friendly_name) IN (
        SELECT place FROM views WHERE one <> other
    )
GROUP BY performer__pageview_id, instrument_name, element_friendly_name
ORDER BY pageview_id
