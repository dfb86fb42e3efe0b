/*
description: >-
  What is listened to through the day: one row per part of the day and artist with a listen that starts in it. Shares
  are of the listens of tracks by known artists, so those of a part add up to 1. How far each part lies from the whole
  is in `daypart_divergence`.
grain: [listener, daypart, artist_name]
columns:
  listener: plays.listener
  daypart: plays.daypart
  artist_name: plays.artist_name!
  listens: bigint! Listens of the artist that start in the part.
  ms_played: bigint! Milliseconds of sound of the artist within the part, split at its boundaries; short plays included.
  share: double! The artist's share of the part's listens, 0 to 1.
  overall_share: double! The artist's share of the listens of the whole day, 0 to 1.
  lift: double! share ÷ overall_share; above 1 where the artist belongs to the part.
  artist_rank: bigint! Place in the part, from 1, by listens, listening time, earliest listen, name.
  daypart_listens: bigint! Listens in the part, the denominator of share.
  is_small_sample: boolean! Whether the part has fewer than 50 listens, too few for its shares to be trusted.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH artist_listens AS (
    SELECT
        listener,
        daypart,
        artist_name,
        COUNT(*) AS listens,
        MIN(started_at) AS first_started_at
    FROM plays
    WHERE is_counted AND is_listen AND media = 'track' AND artist_name IS NOT NULL
    GROUP BY listener, daypart, artist_name
),
artist_times AS (
    SELECT
        listener,
        daypart,
        artist_name,
        SUM(ms_played) AS ms_played
    FROM play_hours
    WHERE is_counted AND media = 'track' AND artist_name IS NOT NULL
    GROUP BY listener, daypart, artist_name
),
weighed AS (
    SELECT
        artist_listens.listener AS listener,
        artist_listens.daypart AS daypart,
        artist_listens.artist_name AS artist_name,
        artist_listens.listens AS listens,
        artist_listens.first_started_at AS first_started_at,
        COALESCE(artist_times.ms_played, 0) AS ms_played,
        SUM(artist_listens.listens) OVER (PARTITION BY artist_listens.listener, artist_listens.daypart)
            AS daypart_listens,
        SUM(artist_listens.listens) OVER (PARTITION BY artist_listens.listener, artist_listens.artist_name)
            AS artist_overall,
        SUM(artist_listens.listens) OVER (PARTITION BY artist_listens.listener) AS overall
    FROM artist_listens
    LEFT JOIN artist_times
        ON artist_listens.listener = artist_times.listener
        AND artist_listens.daypart = artist_times.daypart
        AND artist_listens.artist_name = artist_times.artist_name
)
SELECT
    listener,
    daypart,
    artist_name,
    listens,
    ms_played,
    CAST(listens AS double) / daypart_listens AS share,
    CAST(artist_overall AS double) / overall AS overall_share,
    (CAST(listens AS double) / daypart_listens) / (CAST(artist_overall AS double) / overall) AS lift,
    ROW_NUMBER() OVER (
        PARTITION BY listener, daypart
        ORDER BY listens DESC, ms_played DESC, first_started_at, artist_name
    ) AS artist_rank,
    daypart_listens,
    daypart_listens < 50 AS is_small_sample,
    COALESCE(is_history_minimum, TRUE) AS is_minimum
FROM weighed
LEFT JOIN (SELECT listener AS of_listener, is_minimum AS is_history_minimum FROM listening_totals) AS history
    ON history.of_listener = weighed.listener
