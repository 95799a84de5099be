-- What each visit put on the wire and what landed of it, with what may tell one visit from another.
SELECT
    classified.visit,
    people.fidelity,
    people.persona,
    people.group_name,
    people.by_chance,
    coalesce(min(classified.platform), '') AS platform,
    coalesce(min(classified.skin), '') AS skin,
    coalesce(min(classified.wiki), '') AS wiki,
    min(classified.worker) AS worker,
    min(classified.due_ms) AS first_ms,
    count(*) AS sent_events,
    count(*) FILTER (WHERE classified.action = 'impression') AS sent_impressions,
    count(*) FILTER (WHERE classified.action = 'click') AS sent_clicks,
    count(*) FILTER (WHERE classified.copies > 0) AS landed_events,
    count(*) FILTER (WHERE classified.copies > 0 AND classified.action = 'impression') AS landed_impressions,
    count(*) FILTER (WHERE classified.copies > 0 AND classified.action = 'click') AS landed_clicks,
    count(*) FILTER (WHERE classified.fate = 'lost') AS lost_events
FROM classified
INNER JOIN people ON classified.visit = people.visit
GROUP BY classified.visit, people.fidelity, people.persona, people.group_name, people.by_chance
