-- Events that each visit sent and that landed, with the properties that visits differ in.
-- Browser and data centre come from landed rows, so they are unknown for a visit without landed events.
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
        count(*) FILTER (WHERE fate = 'indeterminate') AS indeterminate_events
    FROM event_fates
    GROUP BY visit
)
SELECT
    participants.fidelity,
    participants.persona,
    participants.group_name,
    participants.by_chance,
    coalesce(sources.browser, '') AS browser,
    coalesce(sources.datacenter, '') AS datacenter,
    counted.*
FROM counted
INNER JOIN participants ON counted.visit = participants.visit
LEFT JOIN sources ON counted.source = sources.source
