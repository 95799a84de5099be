-- Page views with more than one funnel of the instrument: it was started twice.
SELECT
    performer__pageview_id AS pageview_id,
    count(DISTINCT funnel_entry_token) AS funnels
FROM observed
WHERE action IN ('impression', 'click') AND performer__pageview_id IS NOT NULL
GROUP BY performer__pageview_id, instrument_name, element_friendly_name
HAVING count(DISTINCT funnel_entry_token) > 1
ORDER BY funnels DESC, pageview_id
