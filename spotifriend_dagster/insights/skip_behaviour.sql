/*
description: >-
  How often tracks are skipped, by what: one row per dimension and value. Rates are over the plays for which the skip
  rule can be decided. Values with at least 8 of these are ranked, by the rate shrunk towards the listener's own. Runs
  of skips are in `skip_runs`.
grain: [listener, dimension, value]
columns:
  listener: plays.listener
  dimension: string! What the plays are told apart by, `all`, `hour`, `weekday`, `month`, `artist`, `track` (the
    recording), `shuffle`, `reason_start` or `session_position`; plays for which it is unknown are left out.
  value: string! Local hour `00` to `23`; weekday `1` (Monday) to `7`; month `YYYY-MM`; the artist's name; recording_id;
    shuffle `on` or `off`; Spotify's word for the reason; place in the session `1`, `2-5`, `6-10` or `11+`; or `all`.
  label: string! The value for people to read, a weekday's name or a recording's title and artist; else as value.
  plays: bigint! Plays for which the skip rule can be decided, the denominator of the rates.
  skips: bigint! Skips among them.
  skip_rate: double! skips ÷ plays, 0 to 1.
  shrunk_skip_rate: double! (skips + 10 × the listener's skip rate) ÷ (plays + 10).
  skip_rate_low: double! Lower end of the 95 % Wilson interval of skip_rate.
  skip_rate_high: double! Upper end of the 95 % Wilson interval of skip_rate.
  early_exits: bigint! Of the plays, those left under 30 s in whatever way.
  early_exit_rate: double! early_exits ÷ plays, 0 to 1.
  is_ranked: boolean! Whether there are at least 8 plays, enough for a ranking.
  skip_rank: bigint Place within the dimension, from 1, by shrunk_skip_rate, plays, value; null unless ranked.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH decidable AS (
    SELECT
        listener,
        play_number,
        local_date,
        local_hour,
        weekday,
        artist_name,
        recording_id,
        track_name,
        shuffle,
        reason_start,
        session_position,
        is_skip,
        is_early_exit
    FROM plays
    WHERE is_counted AND media = 'track' AND is_skip IS NOT NULL
),
counts AS (
    SELECT
        listener,
        'all' AS dimension,
        'all' AS value,
        'all' AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    GROUP BY listener
    UNION ALL
    SELECT
        listener,
        'hour' AS dimension,
        LPAD(CAST(local_hour AS varchar), 2, '0') AS value,
        LPAD(CAST(local_hour AS varchar), 2, '0') AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    GROUP BY listener, local_hour
    UNION ALL
    SELECT
        listener,
        'weekday' AS dimension,
        CAST(weekday AS varchar) AS value,
        ELEMENT_AT(
            ARRAY['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'], weekday
        ) AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    GROUP BY listener, weekday
    UNION ALL
    SELECT
        listener,
        'month' AS dimension,
        DATE_FORMAT(DATE_TRUNC('month', local_date), '%Y-%m') AS value,
        DATE_FORMAT(DATE_TRUNC('month', local_date), '%Y-%m') AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    GROUP BY listener, DATE_TRUNC('month', local_date)
    UNION ALL
    SELECT
        listener,
        'artist' AS dimension,
        artist_name AS value,
        artist_name AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    WHERE artist_name IS NOT NULL
    GROUP BY listener, artist_name
    UNION ALL
    SELECT
        listener,
        'track' AS dimension,
        recording_id AS value,
        COALESCE(MAX_BY(track_name || ' – ' || artist_name, play_number), recording_id) AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    WHERE recording_id IS NOT NULL
    GROUP BY listener, recording_id
    UNION ALL
    SELECT
        listener,
        'shuffle' AS dimension,
        CASE WHEN shuffle THEN 'on' ELSE 'off' END AS value,
        CASE WHEN shuffle THEN 'on' ELSE 'off' END AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    WHERE shuffle IS NOT NULL
    GROUP BY listener, shuffle
    UNION ALL
    SELECT
        listener,
        'reason_start' AS dimension,
        reason_start AS value,
        reason_start AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    WHERE reason_start IS NOT NULL
    GROUP BY listener, reason_start
    UNION ALL
    SELECT
        listener,
        'session_position' AS dimension,
        CASE
            WHEN session_position = 1 THEN '1'
            WHEN session_position <= 5 THEN '2-5'
            WHEN session_position <= 10 THEN '6-10'
            ELSE '11+'
        END AS value,
        CASE
            WHEN session_position = 1 THEN '1'
            WHEN session_position <= 5 THEN '2-5'
            WHEN session_position <= 10 THEN '6-10'
            ELSE '11+'
        END AS label,
        COUNT(*) AS plays,
        COUNT_IF(is_skip) AS skips,
        COUNT_IF(is_early_exit) AS early_exits
    FROM decidable
    GROUP BY 1, 3
),
rates AS (
    SELECT
        counts.listener AS listener,
        counts.dimension AS dimension,
        counts.value AS value,
        counts.label AS label,
        counts.plays AS plays,
        counts.skips AS skips,
        counts.early_exits AS early_exits,
        CAST(counts.skips AS double) / counts.plays AS skip_rate,
        (counts.skips + 10 * (CAST(overall.skips AS double) / overall.plays)) / (counts.plays + 10)
            AS shrunk_skip_rate
    FROM counts
    INNER JOIN counts AS overall
        ON overall.listener = counts.listener
        AND overall.dimension = 'all'
)
-- The Wilson interval, with 1.96 as the normal quantile: 3.8416 is its square.
SELECT
    listener,
    dimension,
    value,
    label,
    plays,
    skips,
    skip_rate,
    shrunk_skip_rate,
    CASE
        WHEN skips = 0 THEN 0
        ELSE (skip_rate + 1.9208E0 / plays - 1.96E0 * SQRT((skip_rate * (1 - skip_rate) + 0.9604E0 / plays) / plays))
            / (1 + 3.8416E0 / plays)
    END AS skip_rate_low,
    CASE
        WHEN skips = plays THEN 1
        ELSE (skip_rate + 1.9208E0 / plays + 1.96E0 * SQRT((skip_rate * (1 - skip_rate) + 0.9604E0 / plays) / plays))
            / (1 + 3.8416E0 / plays)
    END AS skip_rate_high,
    early_exits,
    CAST(early_exits AS double) / plays AS early_exit_rate,
    plays >= 8 AS is_ranked,
    CASE
        WHEN plays >= 8
            THEN ROW_NUMBER() OVER (
                PARTITION BY listener, dimension, plays >= 8
                ORDER BY shrunk_skip_rate DESC, plays DESC, value
            )
    END AS skip_rank,
    COALESCE(is_history_minimum, TRUE) AS is_minimum
FROM rates
LEFT JOIN (SELECT listener AS of_listener, is_minimum AS is_history_minimum FROM listening_totals) AS history
    ON history.of_listener = rates.listener
