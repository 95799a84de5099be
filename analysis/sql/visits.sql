-- What each visit put on the wire and what landed of it, with what may tell one visit from another. Browser and data centre
-- are told by rows, so they are not known of a visit of which nothing landed.
WITH counted AS (
    SELECT
        visit,
        coalesce(min(platform), '') AS platform,
        coalesce(min(skin), '') AS skin,
        coalesce(min(wiki), '') AS wiki,
        min(source) AS source,
        min(worker) AS worker,
        min(due_ms) AS first_ms,
        count(*) AS sent_events,
        count(*) FILTER (WHERE action = 'impression') AS sent_impressions,
        count(*) FILTER (WHERE action = 'click') AS sent_clicks,
        count(*) FILTER (WHERE copies > 0) AS landed_events,
        count(*) FILTER (WHERE copies > 0 AND action = 'impression') AS landed_impressions,
        count(*) FILTER (WHERE copies > 0 AND action = 'click') AS landed_clicks,
        count(*) FILTER (WHERE fate = 'lost') AS lost_events,
        count(*) FILTER (WHERE fate = 'indeterminate') AS unanswered_events
    FROM classified
    GROUP BY visit
)
SELECT
    people.fidelity,
    people.persona,
    people.group_name,
    people.by_chance,
    coalesce(sources.browser, '') AS browser,
    coalesce(sources.datacenter, '') AS datacenter,
    counted.*
FROM counted
INNER JOIN people ON counted.visit = people.visit
LEFT JOIN sources ON counted.source = sources.source
