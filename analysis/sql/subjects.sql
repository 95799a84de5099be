-- Every subject of the experiment with each group it was seen in. Rows that name no subject are one without a name.
-- An alpha subject is the wiki's local user id, an xlab subject is the 64-digit subject id.
WITH enrolled AS (
    SELECT
        CASE WHEN $generation = 'alpha' THEN CAST(performer__id AS VARCHAR) ELSE nullif(experiment__subject_id, '') END
            AS subject,
        CASE WHEN $generation = 'alpha' THEN experiments__assigned[$feature] ELSE experiment__assigned END AS group_name,
        action,
        meta__id
    FROM observed
    WHERE list_contains(experiments__enrolled, $experiment) OR experiment__enrolled = $experiment
)
SELECT
    subject,
    group_name,
    count(DISTINCT meta__id) AS events,
    count(DISTINCT meta__id) FILTER (WHERE action = 'impression') AS impressions,
    count(DISTINCT meta__id) FILTER (WHERE action = 'click') AS clicks
FROM enrolled
GROUP BY subject, group_name
