/*
description: One row per run of skips, at least 3 tracks skipped one right after the other within a session.
grain: [listener, session_number, first_position]
columns:
  listener: plays.listener
  session_number: plays.session_number!
  first_position: bigint! The place in the session of the first skip, from 1.
  started_at: timestamp! When the first of the skipped plays started, UTC.
  local_started_at: timestamp! started_at on the listener's clock.
  skips: bigint! Skips in the run.
  ms_played: bigint! Milliseconds of sound of the skipped plays.
  artists: bigint! Distinct known artists skipped.
  is_minimum: boolean! Whether plays of its day may be missing, as coverage has a gap in it.
*/
WITH skips AS (
    SELECT
        listener,
        session_number,
        session_position,
        started_at,
        local_started_at,
        ms_played,
        artist_name,
        -- The same for skips that follow each other.
        session_position - ROW_NUMBER() OVER (
            PARTITION BY listener, session_number
            ORDER BY session_position
        ) AS run,
        COALESCE(is_day_minimum, TRUE) AS is_minimum
    FROM plays
    LEFT JOIN (
        SELECT listener AS of_listener, local_date AS of_date, is_minimum AS is_day_minimum FROM listening_coverage
    ) AS days
        ON days.of_listener = plays.listener AND days.of_date = plays.local_date
    WHERE is_counted AND media = 'track' AND is_skip
)
SELECT
    listener,
    session_number,
    MIN(session_position) AS first_position,
    MIN(started_at) AS started_at,
    MIN_BY(local_started_at, session_position) AS local_started_at,
    COUNT(*) AS skips,
    SUM(ms_played) AS ms_played,
    COUNT(DISTINCT artist_name) AS artists,
    BOOL_OR(is_minimum) AS is_minimum
FROM skips
GROUP BY listener, session_number, run
HAVING COUNT(*) >= 3
