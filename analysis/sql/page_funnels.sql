-- Page views with more than one funnel of the instrument: it was started twice.
SELECT
    performer__pageview_id AS pageview_id,
    min(funnel_entry_token) AS one,
    max(funnel_entry_token) AS other
FROM observed
WHERE action IN ('impression', 'click') AND performer__pageview_id IS NOT NULL
GROUP BY performer__pageview_id, instrument_name, element_friendly_name
HAVING min(funnel_entry_token) <> max(funnel_entry_token)
ORDER BY pageview_id
