/*
description: One row per listening session with at least one listen. A new session starts when a play starts more than
  20 minutes after the latest end so far.
grain: [listener, session_number]
columns:
  listener: plays.listener
  session_number: plays.session_number!
  started_at: timestamp! When its first play started, UTC.
  ended_at: timestamp! The latest end of its plays, UTC.
  local_date: plays.local_date
  local_hour: plays.local_hour
  is_weekend: plays.is_weekend
  span_ms: bigint! Milliseconds from its start to its end, pauses included.
  ms_played: bigint! Milliseconds of sound in it.
  plays: bigint! Plays in it, of any media.
  listens: bigint! Plays of at least 30 s in it.
  skips: bigint! Skips of tracks in it.
  skippable_plays: bigint! Plays of tracks for which the skip rule can be decided.
  artists: bigint! Distinct artists listened to in it.
  shuffle_share: double Share of its plays with shuffle on; null where unknown.
  first_track_name: string Title of its first track.
  last_track_name: string Title of its last track.
  estimated_share: double Share of its listening time that is estimated, as are then its start and length.
  is_minimum: boolean! Whether plays of its day may be missing, as coverage has a gap in it.
*/
SELECT
    listener,
    session_number,
    MIN(started_at) AS started_at,
    MAX(ended_at) AS ended_at,
    MIN_BY(local_date, play_number) AS local_date,
    MIN_BY(local_hour, play_number) AS local_hour,
    MIN_BY(is_weekend, play_number) AS is_weekend,
    DATE_DIFF('millisecond', MIN(started_at), MAX(ended_at)) AS span_ms,
    SUM(ms_played) AS ms_played,
    COUNT(*) AS plays,
    COUNT_IF(is_listen) AS listens,
    COUNT_IF(is_skip AND media = 'track') AS skips,
    COUNT(is_skip) FILTER (WHERE media = 'track') AS skippable_plays,
    COUNT(DISTINCT artist_name) FILTER (WHERE is_listen AND media = 'track') AS artists,
    CAST(COUNT_IF(shuffle) AS double) / NULLIF(COUNT(shuffle), 0) AS shuffle_share,
    MIN_BY(track_name, play_number) FILTER (WHERE media = 'track') AS first_track_name,
    MAX_BY(track_name, play_number) FILTER (WHERE media = 'track') AS last_track_name,
    CAST(SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS double) / NULLIF(SUM(ms_played), 0)
        AS estimated_share,
    COALESCE(BOOL_OR(is_day_minimum), TRUE) AS is_minimum
FROM plays
LEFT JOIN (
    SELECT listener AS of_listener, local_date AS of_date, is_minimum AS is_day_minimum FROM listening_coverage
) AS days
    ON days.of_listener = plays.listener AND days.of_date = plays.local_date
WHERE session_number IS NOT NULL
GROUP BY listener, session_number
HAVING COUNT_IF(is_listen) > 0
