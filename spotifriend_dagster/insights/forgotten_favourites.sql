/*
description: >-
  Recordings that were once loved and then left: at least 15 full plays, and not heard for at least 180 × 24 h when
  coverage ends.
grain: [listener, recording_id]
columns:
  listener: plays.listener
  recording_id: plays.recording_id!
  track_name: string The recording's title, as at its latest play.
  artist_name: string The recording's primary artist, as at its latest play; null where none is named.
  full_plays: bigint! Plays to the end.
  listens: bigint! Plays of at least 30 s.
  ms_played: bigint! Milliseconds of sound of the recording, short plays included.
  first_heard_at: timestamp! When its first listen or full play started, UTC.
  last_heard_at: timestamp! When its last listen or full play started, UTC.
  idle_days: bigint! Complete days of 24 h from last_heard_at to the end of coverage.
  favourite_rank: bigint! Place among the listener's forgotten favourites, from 1, by listens, listening time, first
    heard, recording.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH recordings AS (
    SELECT
        listener,
        recording_id,
        MAX_BY(track_name, play_number) FILTER (WHERE track_name IS NOT NULL) AS track_name,
        MAX_BY(artist_name, play_number) FILTER (WHERE artist_name IS NOT NULL) AS artist_name,
        COUNT_IF(is_full) AS full_plays,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        MIN(CASE WHEN is_listen OR is_full THEN started_at END) AS first_heard_at,
        MAX(CASE WHEN is_listen OR is_full THEN started_at END) AS last_heard_at
    FROM plays
    WHERE is_counted AND media = 'track' AND recording_id IS NOT NULL
    GROUP BY listener, recording_id
    HAVING COUNT_IF(is_full) >= 15
)
SELECT
    recordings.listener AS listener,
    recordings.recording_id AS recording_id,
    recordings.track_name AS track_name,
    recordings.artist_name AS artist_name,
    recordings.full_plays AS full_plays,
    recordings.listens AS listens,
    recordings.ms_played AS ms_played,
    recordings.first_heard_at AS first_heard_at,
    recordings.last_heard_at AS last_heard_at,
    DATE_DIFF('day', recordings.last_heard_at, listening_totals.coverage_end) AS idle_days,
    ROW_NUMBER() OVER (
        PARTITION BY recordings.listener
        ORDER BY
            recordings.listens DESC, recordings.ms_played DESC, recordings.first_heard_at, recordings.recording_id
    ) AS favourite_rank,
    listening_totals.is_minimum AS is_minimum
FROM recordings
INNER JOIN listening_totals ON listening_totals.listener = recordings.listener
WHERE recordings.last_heard_at + INTERVAL '180' DAY <= listening_totals.coverage_end
