/*
description: >-
  Songs on repeat: one row per obsession. Five listens of one recording whose first and last start lie less than 168 h
  apart open one; it runs from the first of them until the recording rests for at least 14 × 24 h.
grain: [listener, recording_id, started_at]
columns:
  listener: plays.listener
  recording_id: plays.recording_id!
  track_name: string The recording's title, as at its latest listen.
  artist_name: string The recording's primary artist, as at its latest listen; null where none is named.
  started_at: timestamp! When the first listen of the obsession started, UTC.
  ended_at: timestamp! When the last listen of the obsession started, UTC.
  first_date: date! The earliest local date of its listens.
  last_date: date! The latest local date of its listens.
  peak_date: date! The local date with the most listens, the earliest where several have them.
  peak_listens: bigint! Listens on that date.
  listens: bigint! Listens of the recording from first to last.
  ms_played: bigint! Milliseconds of sound of these listens.
  days: bigint! Its length in local dates, the first and the last both counted.
  is_ongoing: boolean! Whether the recording has not rested for 14 × 24 h when coverage ends.
  obsession_rank: bigint! Place among the listener's obsessions, from 1, by listens, listening time, start, recording.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH candidates AS (
    SELECT
        listener,
        recording_id,
        MAX_BY(track_name, play_number) FILTER (WHERE track_name IS NOT NULL) AS track_name,
        MAX_BY(artist_name, play_number) FILTER (WHERE artist_name IS NOT NULL) AS artist_name
    FROM plays
    WHERE is_counted AND is_listen AND media = 'track' AND recording_id IS NOT NULL
    GROUP BY listener, recording_id
    HAVING COUNT(*) >= 5
),
listens AS (
    SELECT
        plays.listener AS listener,
        plays.recording_id AS recording_id,
        plays.play_number AS play_number,
        plays.started_at AS started_at,
        plays.local_date AS local_date,
        plays.ms_played AS ms_played,
        LAG(plays.started_at) OVER recording AS previous_started_at,
        LEAD(plays.started_at, 4) OVER recording AS fifth_started_at
    FROM plays
    INNER JOIN candidates
        ON candidates.listener = plays.listener
        AND candidates.recording_id = plays.recording_id
    WHERE plays.is_counted AND plays.is_listen AND plays.media = 'track'
    WINDOW recording AS (PARTITION BY plays.listener, plays.recording_id ORDER BY plays.play_number)
),
-- A stretch is what lies between two rests; no five listens within a week reach over one.
stretches AS (
    SELECT
        *,
        SUM(CASE WHEN started_at >= previous_started_at + INTERVAL '14' DAY THEN 1 ELSE 0 END) OVER (
            PARTITION BY listener, recording_id
            ORDER BY play_number
            ROWS UNBOUNDED PRECEDING
        ) AS stretch
    FROM listens
),
openings AS (
    SELECT
        listener,
        recording_id,
        stretch,
        MIN(play_number) AS first_play_number
    FROM stretches
    WHERE fifth_started_at < started_at + INTERVAL '168' HOUR
    GROUP BY listener, recording_id, stretch
),
dates AS (
    SELECT
        stretches.listener AS listener,
        stretches.recording_id AS recording_id,
        openings.first_play_number AS first_play_number,
        stretches.local_date AS local_date,
        COUNT(*) AS listens,
        SUM(stretches.ms_played) AS ms_played,
        MIN(stretches.started_at) AS first_started_at,
        MAX(stretches.started_at) AS last_started_at,
        ROW_NUMBER() OVER (
            PARTITION BY stretches.listener, stretches.recording_id, openings.first_play_number
            ORDER BY COUNT(*) DESC, stretches.local_date
        ) AS date_rank
    FROM stretches
    INNER JOIN openings
        ON openings.listener = stretches.listener
        AND openings.recording_id = stretches.recording_id
        AND openings.stretch = stretches.stretch
        AND openings.first_play_number <= stretches.play_number
    GROUP BY stretches.listener, stretches.recording_id, openings.first_play_number, stretches.local_date
),
obsessions AS (
    SELECT
        listener,
        recording_id,
        first_play_number,
        MIN(first_started_at) AS started_at,
        MAX(last_started_at) AS ended_at,
        MIN(local_date) AS first_date,
        MAX(local_date) AS last_date,
        MIN(CASE WHEN date_rank = 1 THEN local_date END) AS peak_date,
        MAX(listens) AS peak_listens,
        SUM(listens) AS listens,
        SUM(ms_played) AS ms_played
    FROM dates
    GROUP BY listener, recording_id, first_play_number
)
SELECT
    obsessions.listener AS listener,
    obsessions.recording_id AS recording_id,
    candidates.track_name AS track_name,
    candidates.artist_name AS artist_name,
    obsessions.started_at AS started_at,
    obsessions.ended_at AS ended_at,
    obsessions.first_date AS first_date,
    obsessions.last_date AS last_date,
    obsessions.peak_date AS peak_date,
    obsessions.peak_listens AS peak_listens,
    obsessions.listens AS listens,
    obsessions.ms_played AS ms_played,
    DATE_DIFF('day', obsessions.first_date, obsessions.last_date) + 1 AS days,
    listening_totals.coverage_end < obsessions.ended_at + INTERVAL '14' DAY AS is_ongoing,
    ROW_NUMBER() OVER (
        PARTITION BY obsessions.listener
        ORDER BY
            obsessions.listens DESC, obsessions.ms_played DESC, obsessions.started_at, obsessions.recording_id
    ) AS obsession_rank,
    listening_totals.is_minimum AS is_minimum
FROM obsessions
INNER JOIN candidates
    ON candidates.listener = obsessions.listener
    AND candidates.recording_id = obsessions.recording_id
INNER JOIN listening_totals ON listening_totals.listener = obsessions.listener
