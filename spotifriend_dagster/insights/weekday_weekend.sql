/*
description: >-
  Weekdays (Monday to Friday) against weekends, by local date. The row of dimension `all` is about all music, those of
  dimension `artist` about each artist with a listen. Shares are normalised per day, 5 against 2, so that 0.5 means no
  difference.
grain: [listener, dimension, value]
columns:
  listener: plays.listener
  dimension: string! What the row is about, `all` or `artist`.
  value: string! The artist's name; `all` for all music, unknown artists included.
  weekday_listens: bigint! Listens that start on a weekday.
  weekend_listens: bigint! Listens that start on a weekend.
  weekday_ms_played: bigint! Milliseconds of sound on weekdays, split at midnight; short plays included.
  weekend_ms_played: bigint! Milliseconds of sound on weekends, split at midnight; short plays included.
  weekdays: bigint! Weekdays that coverage reaches.
  weekend_days: bigint! Days of weekends that coverage reaches.
  weekday_ms_per_day: double weekday_ms_played ÷ weekdays, in milliseconds; null without such days.
  weekend_ms_per_day: double weekend_ms_played ÷ weekend_days, in milliseconds; null without such days.
  weekday_share: double Of its listens per day, the weekday's part, (weekday_listens ÷ 5) ÷ (weekday_listens ÷ 5 +
    weekend_listens ÷ 2); null without listens.
  weekend_share: double Of its listens per day, the weekend's part, 1 − weekday_share; null without listens.
  weekend_lift_log2: double Binary logarithm of the artist's share of the weekend's listens ÷ that of the weekday's
    (1 is twice as much, −1 half), each artist's listens smoothed by ½; null under 20 listens and for all music.
  estimated_share: double Share of the listening time that is estimated; null without listening time.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH listens AS (
    SELECT
        listener,
        artist_name,
        COUNT_IF(NOT is_weekend) AS weekday_listens,
        COUNT_IF(is_weekend) AS weekend_listens
    FROM plays
    WHERE is_counted AND is_listen AND media = 'track'
    GROUP BY listener, artist_name
),
times AS (
    SELECT
        listener,
        artist_name,
        SUM(CASE WHEN is_weekend THEN 0 ELSE ms_played END) AS weekday_ms_played,
        SUM(CASE WHEN is_weekend THEN ms_played ELSE 0 END) AS weekend_ms_played,
        SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS estimated_ms
    FROM play_hours
    WHERE is_counted AND media = 'track'
    GROUP BY listener, artist_name
),
-- Listens and times of both dimensions: what has no time, or no listens, has 0 of it.
figures AS (
    SELECT
        listener,
        'artist' AS dimension,
        artist_name AS value,
        weekday_listens,
        weekend_listens,
        0 AS weekday_ms_played,
        0 AS weekend_ms_played,
        0 AS estimated_ms
    FROM listens
    WHERE artist_name IS NOT NULL
    UNION ALL
    SELECT
        listener,
        'artist' AS dimension,
        artist_name AS value,
        0 AS weekday_listens,
        0 AS weekend_listens,
        weekday_ms_played,
        weekend_ms_played,
        estimated_ms
    FROM times
    WHERE artist_name IS NOT NULL
    UNION ALL
    SELECT
        listener,
        'all' AS dimension,
        'all' AS value,
        weekday_listens,
        weekend_listens,
        0 AS weekday_ms_played,
        0 AS weekend_ms_played,
        0 AS estimated_ms
    FROM listens
    UNION ALL
    SELECT
        listener,
        'all' AS dimension,
        'all' AS value,
        0 AS weekday_listens,
        0 AS weekend_listens,
        weekday_ms_played,
        weekend_ms_played,
        estimated_ms
    FROM times
),
totals AS (
    SELECT
        listener,
        dimension,
        value,
        SUM(weekday_listens) AS weekday_listens,
        SUM(weekend_listens) AS weekend_listens,
        SUM(weekday_ms_played) AS weekday_ms_played,
        SUM(weekend_ms_played) AS weekend_ms_played,
        SUM(estimated_ms) AS estimated_ms
    FROM figures
    GROUP BY listener, dimension, value
    HAVING dimension = 'all' OR SUM(weekday_listens + weekend_listens) > 0
),
known_artists AS (
    SELECT
        listener,
        COUNT(*) AS artists,
        SUM(weekday_listens) AS weekday_listens,
        SUM(weekend_listens) AS weekend_listens
    FROM totals
    WHERE dimension = 'artist'
    GROUP BY listener
),
covered AS (
    SELECT
        listener,
        COUNT_IF(DAY_OF_WEEK(local_date) <= 5) AS weekdays,
        COUNT_IF(DAY_OF_WEEK(local_date) > 5) AS weekend_days
    FROM listening_coverage
    WHERE status <> 'unknown'
    GROUP BY listener
)
SELECT
    totals.listener AS listener,
    totals.dimension AS dimension,
    totals.value AS value,
    totals.weekday_listens AS weekday_listens,
    totals.weekend_listens AS weekend_listens,
    totals.weekday_ms_played AS weekday_ms_played,
    totals.weekend_ms_played AS weekend_ms_played,
    COALESCE(covered.weekdays, 0) AS weekdays,
    COALESCE(covered.weekend_days, 0) AS weekend_days,
    CAST(totals.weekday_ms_played AS double) / NULLIF(covered.weekdays, 0) AS weekday_ms_per_day,
    CAST(totals.weekend_ms_played AS double) / NULLIF(covered.weekend_days, 0) AS weekend_ms_per_day,
    CAST(2 * totals.weekday_listens AS double) / NULLIF(2 * totals.weekday_listens + 5 * totals.weekend_listens, 0)
        AS weekday_share,
    CAST(5 * totals.weekend_listens AS double) / NULLIF(2 * totals.weekday_listens + 5 * totals.weekend_listens, 0)
        AS weekend_share,
    CASE
        WHEN totals.dimension = 'artist' AND totals.weekday_listens + totals.weekend_listens >= 20
            THEN LOG2(
                ((totals.weekend_listens + 0.5E0) / (known_artists.weekend_listens + 0.5E0 * known_artists.artists))
                / ((totals.weekday_listens + 0.5E0) / (known_artists.weekday_listens + 0.5E0 * known_artists.artists))
            )
    END AS weekend_lift_log2,
    CAST(totals.estimated_ms AS double) / NULLIF(totals.weekday_ms_played + totals.weekend_ms_played, 0)
        AS estimated_share,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM totals
LEFT JOIN known_artists ON known_artists.listener = totals.listener
LEFT JOIN covered ON covered.listener = totals.listener
LEFT JOIN listening_totals ON listening_totals.listener = totals.listener
