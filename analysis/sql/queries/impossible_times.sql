-- Number of observed rows with a missing or an impossible time, by kind.
SELECT
    count(*) AS events,
    count(*) FILTER (WHERE client_ms IS NULL) AS no_time,
    count(*) FILTER (WHERE intake_ms IS NULL) AS no_intake_time,
    count(*) FILTER (WHERE client_ms > intake_ms + $ahead_ms) AS from_the_future,
    count(*) FILTER (WHERE intake_ms < $from_ms) AS before_the_run
FROM observed
