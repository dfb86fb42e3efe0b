/*
description: One row per calendar day of coverage, days without listening included, with moving averages. Listening time
  is of all media and split at midnight, so that it adds up to that of the plays; what is counted belongs to the day on
  which the play starts. Private plays are left out, and so are days that no source reaches; the last day is told as far
  as coverage goes.
grain: [listener, local_date]
columns:
  listener: plays.listener
  local_date: plays.local_date
  weekday: int! The day of the week; 1 is Monday, 7 is Sunday.
  is_weekend: boolean! Whether it is a Saturday or Sunday.
  status: listening_coverage.status
  is_minimum: listening_coverage.is_minimum
  ms_played: bigint! Listening time of all media within the day, in milliseconds.
  track_ms_played: bigint! Listening time of tracks within the day, in milliseconds.
  estimated_share: double Share of ms_played that is estimated; null without listening time.
  plays: bigint! Plays that started on the day, of any media.
  listens: bigint! Plays of at least 30 s that started on the day, of any media.
  track_listens: bigint! Listens of tracks.
  artists: bigint! Distinct artists listened to.
  recordings: bigint! Distinct recordings listened to.
  artist_discoveries: bigint! Artists listened to for the first time in the known history.
  recording_discoveries: bigint! Recordings listened to for the first time in the known history.
  skips: bigint! Skips of tracks.
  skippable_plays: bigint! Plays of tracks for which the skip rule can be decided.
  mean_ms_played_7_days: double Mean of ms_played over the 7 calendar days that end with it; null unless all are covered.
  is_minimum_7_days: boolean Whether one of these 7 days is a minimum; null without a mean.
  mean_ms_played_28_days: double Mean of ms_played over the 28 calendar days that end with it; null unless all are
    covered.
  is_minimum_28_days: boolean Whether one of these 28 days is a minimum; null without a mean.
*/
WITH day_times AS (
    SELECT
        listener,
        local_date,
        SUM(ms_played) AS ms_played,
        SUM(CASE WHEN media = 'track' THEN ms_played ELSE 0 END) AS track_ms_played,
        SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS estimated_ms
    FROM play_hours
    WHERE is_counted
    GROUP BY listener, local_date
),

day_counts AS (
    SELECT
        listener,
        local_date,
        COUNT(*) AS plays,
        COUNT_IF(is_listen) AS listens,
        COUNT_IF(is_listen AND media = 'track') AS track_listens,
        COUNT(DISTINCT artist_name) FILTER (WHERE is_listen AND media = 'track') AS artists,
        COUNT(DISTINCT recording_id) FILTER (WHERE is_listen AND media = 'track') AS recordings,
        COUNT_IF(artist_novelty = 'discovery') AS artist_discoveries,
        COUNT_IF(recording_novelty = 'discovery') AS recording_discoveries,
        COUNT_IF(is_skip AND media = 'track') AS skips,
        COUNT(is_skip) FILTER (WHERE media = 'track') AS skippable_plays
    FROM plays
    WHERE is_counted
    GROUP BY listener, local_date
),

days AS (
    SELECT
        listening_coverage.listener AS listener,
        listening_coverage.local_date AS local_date,
        listening_coverage.status AS status,
        listening_coverage.is_minimum AS is_minimum,
        listening_coverage.status <> 'unknown' AS is_covered,
        COALESCE(day_times.ms_played, 0) AS ms_played,
        COALESCE(day_times.track_ms_played, 0) AS track_ms_played,
        COALESCE(day_times.estimated_ms, 0) AS estimated_ms,
        COALESCE(day_counts.plays, 0) AS plays,
        COALESCE(day_counts.listens, 0) AS listens,
        COALESCE(day_counts.track_listens, 0) AS track_listens,
        COALESCE(day_counts.artists, 0) AS artists,
        COALESCE(day_counts.recordings, 0) AS recordings,
        COALESCE(day_counts.artist_discoveries, 0) AS artist_discoveries,
        COALESCE(day_counts.recording_discoveries, 0) AS recording_discoveries,
        COALESCE(day_counts.skips, 0) AS skips,
        COALESCE(day_counts.skippable_plays, 0) AS skippable_plays
    FROM listening_coverage
    LEFT JOIN day_times
        ON day_times.listener = listening_coverage.listener
        AND day_times.local_date = listening_coverage.local_date
    LEFT JOIN day_counts
        ON day_counts.listener = listening_coverage.listener
        AND day_counts.local_date = listening_coverage.local_date
),

-- The calendar has a row for each day, so rows are days.
averaged AS (
    SELECT
        *,
        CASE WHEN COUNT_IF(is_covered) OVER week = 7 THEN AVG(CAST(ms_played AS double)) OVER week END AS mean_7_days,
        CASE WHEN COUNT_IF(is_covered) OVER week = 7 THEN COUNT_IF(is_minimum) OVER week > 0 END AS is_minimum_7_days,
        CASE
            WHEN COUNT_IF(is_covered) OVER four_weeks = 28 THEN AVG(CAST(ms_played AS double)) OVER four_weeks
        END AS mean_28_days,
        CASE
            WHEN COUNT_IF(is_covered) OVER four_weeks = 28 THEN COUNT_IF(is_minimum) OVER four_weeks > 0
        END AS is_minimum_28_days
    FROM days
    WINDOW
        week AS (PARTITION BY listener ORDER BY local_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW),
        four_weeks AS (PARTITION BY listener ORDER BY local_date ROWS BETWEEN 27 PRECEDING AND CURRENT ROW)
)

SELECT
    listener,
    local_date,
    DAY_OF_WEEK(local_date) AS weekday,
    DAY_OF_WEEK(local_date) >= 6 AS is_weekend,
    status,
    is_minimum,
    ms_played,
    track_ms_played,
    CAST(estimated_ms AS double) / NULLIF(ms_played, 0) AS estimated_share,
    plays,
    listens,
    track_listens,
    artists,
    recordings,
    artist_discoveries,
    recording_discoveries,
    skips,
    skippable_plays,
    mean_7_days AS mean_ms_played_7_days,
    is_minimum_7_days,
    mean_28_days AS mean_ms_played_28_days,
    is_minimum_28_days
FROM averaged
WHERE is_covered OR plays > 0 OR ms_played > 0
