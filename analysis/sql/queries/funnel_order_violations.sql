-- Number of funnels that break each rule of their order.
-- A funnel is what one start of the instrument sends: an impression at position 1, then clicks. A hash identifies a
-- funnel, as a count of many texts takes longer.
WITH funnels AS (
    SELECT
        CASE WHEN funnel_entry_token IS NOT NULL THEN hash(funnel_entry_token) END AS funnel,
        count(*) AS events,
        count(*) FILTER (WHERE action = 'impression') AS impressions,
        count(*) FILTER (WHERE action = 'click') AS clicks,
        count(funnel_event_sequence_position) AS with_position,
        -- Number of different positions from 0 to 62, one bit for each; hardly any funnel has a higher one.
        coalesce(
            bit_count(
                -- The filter alone does not prevent the shift of other values.
                bit_or(
                    CAST(1 AS BIGINT) << CAST(least(greatest(funnel_event_sequence_position, 0), 62) AS INTEGER)
                ) FILTER (
                    WHERE funnel_event_sequence_position BETWEEN 0 AND 62
                )
            ),
            0
        ) AS low_positions,
        min(funnel_event_sequence_position) AS first_position,
        max(funnel_event_sequence_position) AS last_position,
        min(CASE WHEN action = 'click' THEN client_ms END) AS first_click_ms,
        min(CASE WHEN action = 'impression' THEN client_ms END) AS impression_ms
    FROM observed
    WHERE action IN ('impression', 'click')
    GROUP BY CASE WHEN funnel_entry_token IS NOT NULL THEN hash(funnel_entry_token) END
),
high_positions AS (
    SELECT
        hash(funnel_entry_token) AS funnel,
        count(DISTINCT funnel_event_sequence_position) AS positions
    FROM observed
    WHERE action IN ('impression', 'click') AND funnel_event_sequence_position NOT BETWEEN 0 AND 62
    GROUP BY hash(funnel_entry_token)
),
named AS (
    SELECT
        funnels.*,
        funnels.low_positions + coalesce(high_positions.positions, 0) AS positions
    FROM funnels
    LEFT JOIN high_positions ON funnels.funnel = high_positions.funnel
    WHERE funnels.funnel IS NOT NULL
)
SELECT
    count(*) AS funnels,
    count(*) FILTER (WHERE impressions = 0 AND clicks > 0) AS click_without_impression,
    count(*) FILTER (WHERE impressions > 1) AS impression_twice,
    count(*) FILTER (WHERE with_position < events) AS no_position,
    count(*) FILTER (WHERE positions < with_position) AS position_twice,
    count(*) FILTER (WHERE positions > 0 AND (first_position <> 1 OR last_position <> positions)) AS position_missing,
    count(*) FILTER (WHERE first_click_ms < impression_ms) AS click_before_impression,
    coalesce((SELECT max(events) FROM funnels WHERE funnel IS NULL), 0) AS events_without_funnel
FROM named
