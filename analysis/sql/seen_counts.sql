-- What the subjects that were seen are as a whole, and how many are where the contract does not put them.
-- Who should not be enrolled is wrong in any group, or in none; ids that are none, and those who were put into a group by
-- an override, are looked at elsewhere.
SELECT
    count(DISTINCT subject) AS subjects,
    CAST(coalesce(sum(events), 0) AS BIGINT) AS events,
    CAST(coalesce(sum(events) FILTER (WHERE subject IS NULL), 0) AS BIGINT) AS nameless_events,
    count(*) FILTER (WHERE wrong) AS mismatches,
    count(DISTINCT subject) FILTER (WHERE wrong) AS wrong_subjects,
    CAST(coalesce(sum(events) FILTER (WHERE wrong), 0) AS BIGINT) AS wrong_events,
    count(DISTINCT subject) FILTER (WHERE judged AND expected IS NULL) AS outside
FROM (
    SELECT
        *,
        judged AND (expected IS NULL OR group_name IS DISTINCT FROM expected) AS wrong
    FROM (
        SELECT
            seen_subjects.*,
            seen_subjects.valid AND overridden.subject IS NULL AS judged
        FROM (
            SELECT *
            FROM seen
        ) AS seen_subjects
        LEFT JOIN overridden ON seen_subjects.subject = overridden.subject
    ) AS looked_at
) AS told
