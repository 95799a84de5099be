-- What each visit put on the wire, and what landed of it.
SELECT
    visit,
    sent_impressions > 0 AS impression,
    sent_clicks > 0 AS click,
    landed_events > 0 AS landed
FROM visits
ORDER BY visit
