-- Stages of the funnel that each visit reached: impression, click, landed.
SELECT
    visit,
    sent_impressions > 0 AS impression,
    sent_clicks > 0 AS click,
    landed_events > 0 AS landed
FROM visits
ORDER BY visit
