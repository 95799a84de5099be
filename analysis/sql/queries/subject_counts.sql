-- Totals of subjects and events, and of those that are not in the group that the contract gives them.
-- A subject outside the sample is wrong in any group and without one. Malformed ids, and subjects with an override, have
-- their own checks.
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
            classified_subjects.*,
            classified_subjects.valid AND overridden_subjects.subject IS NULL AS judged
        FROM (
            SELECT *
            FROM subjects
        ) AS classified_subjects
        LEFT JOIN overridden_subjects ON classified_subjects.subject = overridden_subjects.subject
    ) AS judged_subjects
) AS counted_subjects
