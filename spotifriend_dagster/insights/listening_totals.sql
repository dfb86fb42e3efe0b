/*
description: One row per listener, the headline figures. Private plays are left out, and times are totals over all media
  (music is beside them as `track_*`). `coverage_end` is the "now" of every insight that measures to the present.
grain: [listener]
columns:
  listener: plays.listener
  coverage_start: timestamp The earliest instant that an export or a poll reaches, UTC.
  coverage_end: timestamp The latest time stamp of an export or the latest poll, UTC; "now" in every insight.
  first_date: date The local date of coverage_start, on the clock of the first play (UTC without one).
  last_date: date The local date of coverage_end, on the clock of the last play (UTC without one); "today" in every insight.
  complete_days: bigint! Days from first to last date that are completely known; `listening_coverage` tells which.
  minimum_days: bigint! Days of which plays may be missing.
  unknown_days: bigint! Days that no source reaches.
  is_minimum: boolean! Whether any of these days is not completely known, so that plays may be missing.
  known_history_start: timestamp The start of the first listen that is followed by another within 30 days, UTC.
  first_listen_at: timestamp The start of the first listen, UTC.
  last_listen_at: timestamp The start of the last listen, UTC.
  plays: bigint! Plays, of any media.
  listens: bigint! Plays of at least 30 s, of any media.
  track_listens: bigint! Listens of tracks.
  artists: bigint! Distinct artists listened to.
  recordings: bigint! Distinct recordings listened to.
  active_days: bigint! Local dates with at least one listen.
  full_plays: bigint! Tracks played to the end.
  full_decidable_plays: bigint! Plays of tracks for which that can be decided, which is the denominator of full_plays.
  skips: bigint! Skips of tracks.
  skippable_plays: bigint! Plays of tracks for which the skip rule can be decided, which is the denominator of skips.
  ms_played: bigint! Listening time of all media in milliseconds.
  track_ms_played: bigint! Listening time of tracks in milliseconds.
  episode_ms_played: bigint! Listening time of podcast episodes in milliseconds.
  audiobook_ms_played: bigint! Listening time of audiobooks in milliseconds.
  video_ms_played: bigint! Listening time of videos in milliseconds.
  unknown_ms_played: bigint! Listening time in milliseconds of plays of which nobody knows what they were.
  wall_ms: bigint! Milliseconds in which anything played; the union of the plays' intervals.
  overlap_share: double Share of the listening time by which it exceeds wall_ms, as plays overlap.
  estimated_share: double Share of the listening time that is estimated.
  unknown_share: double Share of the listening time whose media is unknown.
  unknown_artist_share: double Share of the tracks' listening time whose artist is unknown.
  uncertain_start_share: double Share of the plays whose start may be over a minute off.
  private_plays: bigint! Plays left out of every insight, as they were private.
  input_rows: bigint! Rows received, from all exports and polls.
  duplicate_rows: bigint! Rows received that repeat another row of the same source.
  superseded_rows: bigint! Rows received that a richer source tells better.
  rejected_rows: bigint! Rows received that could not be read.
*/
WITH sources AS (
    SELECT listener, first_ts AS starts_at, last_ts AS ends_at FROM history_files
    UNION ALL
    SELECT listener, COALESCE(oldest_played_at, pulled_at) AS starts_at, pulled_at AS ends_at FROM recent_pages
),

coverage AS (
    SELECT listener, MIN(starts_at) AS coverage_start, MAX(ends_at) AS coverage_end FROM sources GROUP BY listener
),

days AS (
    SELECT
        listener,
        COUNT_IF(status = 'complete') AS complete_days,
        COUNT_IF(status = 'minimum') AS minimum_days,
        COUNT_IF(status = 'unknown') AS unknown_days
    FROM listening_coverage
    GROUP BY listener
),

clocks AS (
    SELECT
        listener,
        MIN_BY(DATE_DIFF('second', started_at, local_started_at), play_number) AS first_offset,
        MAX_BY(DATE_DIFF('second', started_at, local_started_at), play_number) AS last_offset,
        COUNT_IF(NOT is_counted) AS private_plays
    FROM plays
    GROUP BY listener
),

neighbours AS (
    SELECT
        *,
        MAX(ended_at) OVER (
            PARTITION BY listener
            ORDER BY started_at, play_number
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS latest_end_before
    FROM plays
    WHERE is_counted
),

figures AS (
    SELECT
        listener,
        MIN(started_at) FILTER (WHERE is_listen) AS first_listen_at,
        MAX(started_at) FILTER (WHERE is_listen) AS last_listen_at,
        COUNT(*) AS plays,
        COUNT_IF(is_listen) AS listens,
        COUNT_IF(is_listen AND media = 'track') AS track_listens,
        COUNT(DISTINCT artist_name) FILTER (WHERE is_listen AND media = 'track') AS artists,
        COUNT(DISTINCT recording_id) FILTER (WHERE is_listen AND media = 'track') AS recordings,
        COUNT(DISTINCT local_date) FILTER (WHERE is_listen) AS active_days,
        COUNT_IF(is_full AND media = 'track') AS full_plays,
        COUNT(is_full) FILTER (WHERE media = 'track') AS full_decidable_plays,
        COUNT_IF(is_skip AND media = 'track') AS skips,
        COUNT(is_skip) FILTER (WHERE media = 'track') AS skippable_plays,
        SUM(ms_played) AS ms_played,
        SUM(CASE WHEN media = 'track' THEN ms_played ELSE 0 END) AS track_ms_played,
        SUM(CASE WHEN media = 'episode' THEN ms_played ELSE 0 END) AS episode_ms_played,
        SUM(CASE WHEN media = 'audiobook' THEN ms_played ELSE 0 END) AS audiobook_ms_played,
        SUM(CASE WHEN media = 'video' THEN ms_played ELSE 0 END) AS video_ms_played,
        SUM(CASE WHEN media = 'unknown' THEN ms_played ELSE 0 END) AS unknown_ms_played,
        SUM(CASE WHEN media = 'track' AND artist_name IS NULL THEN ms_played ELSE 0 END) AS unknown_artist_ms,
        SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS estimated_ms,
        SUM(
            CASE
                WHEN latest_end_before IS NULL OR latest_end_before <= started_at THEN ms_played
                WHEN latest_end_before < ended_at THEN DATE_DIFF('millisecond', latest_end_before, ended_at)
                ELSE 0
            END
        ) AS wall_ms,
        COUNT_IF(is_start_uncertain) AS uncertain_plays
    FROM neighbours
    GROUP BY listener
),

listens AS (
    SELECT
        listener,
        started_at,
        LEAD(started_at) OVER (PARTITION BY listener ORDER BY play_number) AS next_started_at
    FROM plays
    WHERE is_counted AND is_listen
),

known_history AS (
    SELECT listener, MIN(started_at) AS known_history_start
    FROM listens
    WHERE next_started_at <= DATE_ADD('day', 30, started_at)
    GROUP BY listener
),

outcomes AS (
    SELECT
        listener,
        SUM(rows) AS input_rows,
        SUM(CASE WHEN outcome = 'duplicate' THEN rows ELSE 0 END) AS duplicate_rows,
        SUM(CASE WHEN outcome = 'superseded' THEN rows ELSE 0 END) AS superseded_rows,
        SUM(CASE WHEN outcome = 'rejected' THEN rows ELSE 0 END) AS rejected_rows
    FROM row_outcomes
    GROUP BY listener
)

SELECT
    coverage.listener AS listener,
    coverage.coverage_start AS coverage_start,
    coverage.coverage_end AS coverage_end,
    CAST(DATE_ADD('second', COALESCE(clocks.first_offset, 0), coverage.coverage_start) AS date) AS first_date,
    CAST(DATE_ADD('second', COALESCE(clocks.last_offset, 0), coverage.coverage_end) AS date) AS last_date,
    COALESCE(days.complete_days, 0) AS complete_days,
    COALESCE(days.minimum_days, 0) AS minimum_days,
    COALESCE(days.unknown_days, 0) AS unknown_days,
    COALESCE(days.minimum_days, 0) + COALESCE(days.unknown_days, 0) > 0 AS is_minimum,
    known_history.known_history_start AS known_history_start,
    figures.first_listen_at AS first_listen_at,
    figures.last_listen_at AS last_listen_at,
    COALESCE(figures.plays, 0) AS plays,
    COALESCE(figures.listens, 0) AS listens,
    COALESCE(figures.track_listens, 0) AS track_listens,
    COALESCE(figures.artists, 0) AS artists,
    COALESCE(figures.recordings, 0) AS recordings,
    COALESCE(figures.active_days, 0) AS active_days,
    COALESCE(figures.full_plays, 0) AS full_plays,
    COALESCE(figures.full_decidable_plays, 0) AS full_decidable_plays,
    COALESCE(figures.skips, 0) AS skips,
    COALESCE(figures.skippable_plays, 0) AS skippable_plays,
    COALESCE(figures.ms_played, 0) AS ms_played,
    COALESCE(figures.track_ms_played, 0) AS track_ms_played,
    COALESCE(figures.episode_ms_played, 0) AS episode_ms_played,
    COALESCE(figures.audiobook_ms_played, 0) AS audiobook_ms_played,
    COALESCE(figures.video_ms_played, 0) AS video_ms_played,
    COALESCE(figures.unknown_ms_played, 0) AS unknown_ms_played,
    COALESCE(figures.wall_ms, 0) AS wall_ms,
    CAST(figures.ms_played - figures.wall_ms AS double) / NULLIF(figures.ms_played, 0) AS overlap_share,
    CAST(figures.estimated_ms AS double) / NULLIF(figures.ms_played, 0) AS estimated_share,
    CAST(figures.unknown_ms_played AS double) / NULLIF(figures.ms_played, 0) AS unknown_share,
    CAST(figures.unknown_artist_ms AS double) / NULLIF(figures.track_ms_played, 0) AS unknown_artist_share,
    CAST(figures.uncertain_plays AS double) / NULLIF(figures.plays, 0) AS uncertain_start_share,
    COALESCE(clocks.private_plays, 0) AS private_plays,
    COALESCE(outcomes.input_rows, 0) AS input_rows,
    COALESCE(outcomes.duplicate_rows, 0) AS duplicate_rows,
    COALESCE(outcomes.superseded_rows, 0) AS superseded_rows,
    COALESCE(outcomes.rejected_rows, 0) AS rejected_rows
FROM coverage
LEFT JOIN days ON days.listener = coverage.listener
LEFT JOIN clocks ON clocks.listener = coverage.listener
LEFT JOIN figures ON figures.listener = coverage.listener
LEFT JOIN known_history ON known_history.listener = coverage.listener
LEFT JOIN outcomes ON outcomes.listener = coverage.listener
