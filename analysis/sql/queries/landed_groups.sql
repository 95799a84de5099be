-- Subjects and events of each group in the table; `by_chance` leaves out subjects chosen for their group.
SELECT
    group_name,
    count(*) AS subjects,
    count(*) FILTER (WHERE chosen_subjects.subject IS NULL) AS by_chance,
    CAST(sum(impressions) AS BIGINT) AS impressions,
    CAST(sum(clicks) AS BIGINT) AS clicks
FROM subjects_landed
LEFT JOIN chosen_subjects ON subjects_landed.subject = chosen_subjects.subject
WHERE subjects_landed.subject IS NOT NULL AND group_name IS NOT NULL
GROUP BY group_name
ORDER BY group_name
