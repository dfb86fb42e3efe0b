/*
description: >-
  When each artist was first listened to, and whether the discovery stuck. A discovery is converted by at least 3
  listens, itself included, on at least 2 local dates, all started within 30 × 24 h of it. Discoveries of the first 90
  days of the known history (they may be older than it) and of its last 30 (their time is not over) are not judged;
  the rate by month is in `artist_conversion`.
grain: [listener, artist_name]
columns:
  listener: plays.listener
  artist_name: plays.artist_name!
  discovered_at: timestamp! When the first listen in the known history started, UTC.
  discovered_on: date! The local date of that listen.
  first_recording_id: string The recording of that listen.
  first_track_name: string The title of that listen.
  listens: bigint! Listens of the artist since, that one included.
  last_listen_at: timestamp! When the latest listen of the artist started, UTC.
  listens_in_30_days: bigint! Listens that started within 30 × 24 h of the discovery, itself included.
  dates_in_30_days: bigint! Local dates of those listens.
  is_censored: boolean! Whether it falls in the first 90 × 24 h of the known history, so that it may be no discovery.
  is_recent: boolean! Whether less than 30 × 24 h of coverage follow it, so that it cannot be judged yet.
  is_converted: boolean Whether the discovery was converted; null where it is not judged.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH discoveries AS (
    SELECT
        plays.listener AS listener,
        plays.artist_name AS artist_name,
        plays.started_at AS discovered_at,
        plays.local_date AS discovered_on,
        plays.recording_id AS first_recording_id,
        plays.track_name AS first_track_name,
        plays.started_at < listening_totals.known_history_start + INTERVAL '90' DAY AS is_censored,
        plays.started_at > listening_totals.coverage_end - INTERVAL '30' DAY AS is_recent
    FROM plays
    INNER JOIN listening_totals ON listening_totals.listener = plays.listener
    WHERE plays.artist_novelty = 'discovery'
),
listens AS (
    SELECT
        plays.listener AS listener,
        plays.artist_name AS artist_name,
        COUNT(*) AS listens,
        MAX(plays.started_at) AS last_listen_at,
        COUNT_IF(plays.started_at <= discoveries.discovered_at + INTERVAL '30' DAY) AS listens_in_30_days,
        COUNT(DISTINCT plays.local_date) FILTER (
            WHERE plays.started_at <= discoveries.discovered_at + INTERVAL '30' DAY
        ) AS dates_in_30_days
    FROM plays
    INNER JOIN discoveries
        ON discoveries.listener = plays.listener
        AND discoveries.artist_name = plays.artist_name
    WHERE plays.artist_novelty IS NOT NULL
    GROUP BY plays.listener, plays.artist_name
)
SELECT
    discoveries.listener AS listener,
    discoveries.artist_name AS artist_name,
    discoveries.discovered_at AS discovered_at,
    discoveries.discovered_on AS discovered_on,
    discoveries.first_recording_id AS first_recording_id,
    discoveries.first_track_name AS first_track_name,
    listens.listens AS listens,
    listens.last_listen_at AS last_listen_at,
    listens.listens_in_30_days AS listens_in_30_days,
    listens.dates_in_30_days AS dates_in_30_days,
    discoveries.is_censored AS is_censored,
    discoveries.is_recent AS is_recent,
    CASE
        WHEN NOT discoveries.is_censored AND NOT discoveries.is_recent
            THEN listens.listens_in_30_days >= 3 AND listens.dates_in_30_days >= 2
    END AS is_converted,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM discoveries
INNER JOIN listens
    ON listens.listener = discoveries.listener
    AND listens.artist_name = discoveries.artist_name
LEFT JOIN listening_totals ON listening_totals.listener = discoveries.listener
