-- Page views with more than one funnel of the instrument, which was started twice.
-- Hashes identify page views and funnels until some are known to match.
WITH views AS (
    SELECT
        hash(performer__pageview_id, instrument_name, element_friendly_name) AS view_hash,
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
        SELECT view_hash FROM views WHERE one <> other
    )
GROUP BY performer__pageview_id, instrument_name, element_friendly_name
ORDER BY pageview_id
