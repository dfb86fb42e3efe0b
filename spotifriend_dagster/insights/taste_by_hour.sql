/*
description: >-
  Genres by the hour: one row per local hour and genre with a listen that starts in it. Each listen weighs 1, split equally
  over the genres of its credited artists; listens without a known genre are left out.
grain: [listener, local_hour, genre]
columns:
  listener: plays.listener
  local_hour: plays.local_hour
  genre: play_genres.genre
  genre_source: string! "Who says the genre of its artists, `user`, `spotify` or `musicbrainz`; `mixed` where several do."
  listens: bigint! Listens that start in the hour and have the genre, by any credited artist.
  weight: double! The genre's part of these listens, each of which weighs 1 over all its genres.
  share: double! weight ÷ genre_listens; the shares of the hour add up to 1.
  overall_share: double! The genre's share of all listens that have a genre, at any time of the day.
  lift: double! share ÷ overall_share; above 1 where the genre belongs to the hour.
  genre_rank: bigint! Place in the hour, from 1, by weight, listens, earliest listen, name.
  genre_listens: bigint! Listens in the hour of which any genre is known, the denominator of share.
  genre_coverage: double Share of the listening time within the hour whose artist has any genre; null without any.
  is_low_coverage: boolean! Whether that is less than half, too little for the shares to be trusted.
  is_small_sample: boolean! Whether genre_listens are fewer than 50, too few for the shares to be trusted.
  is_minimum: boolean! Whether plays may be missing, as the coverage of the history has a gap.
*/
WITH weighed AS (
    SELECT
        play_genres.listener AS listener,
        plays.local_hour AS local_hour,
        play_genres.genre AS genre,
        MIN(play_genres.genre_source) AS first_source,
        MAX(play_genres.genre_source) AS last_source,
        COUNT(*) AS listens,
        SUM(play_genres.weight) AS weight,
        MIN(plays.started_at) AS first_started_at
    FROM play_genres
    INNER JOIN plays
        ON plays.listener = play_genres.listener
        AND plays.play_number = play_genres.play_number
    GROUP BY play_genres.listener, plays.local_hour, play_genres.genre
),

overall AS (
    SELECT listener, genre, SUM(weight) AS weight
    FROM weighed
    GROUP BY listener, genre
),

covered AS (
    SELECT *
    FROM genre_coverage
    WHERE genre_source = 'all'
),

shares AS (
    SELECT
        weighed.listener AS listener,
        weighed.local_hour AS local_hour,
        weighed.genre AS genre,
        CASE
            WHEN weighed.first_source = weighed.last_source THEN weighed.first_source
            ELSE 'mixed'
        END AS genre_source,
        weighed.listens AS listens,
        weighed.weight AS weight,
        weighed.first_started_at AS first_started_at,
        weighed.weight / here.genre_listens AS share,
        overall.weight / everywhere.genre_listens AS overall_share,
        here.genre_listens AS genre_listens,
        here.ms_played_share AS genre_coverage,
        here.is_low_coverage AS is_low_coverage,
        here.is_minimum AS is_minimum
    FROM weighed
    INNER JOIN overall
        ON overall.listener = weighed.listener
        AND overall.genre = weighed.genre
    INNER JOIN covered AS here
        ON here.listener = weighed.listener
        AND here.dimension = 'hour'
        AND here.value = LPAD(CAST(weighed.local_hour AS varchar), 2, '0')
    INNER JOIN covered AS everywhere
        ON everywhere.listener = weighed.listener
        AND everywhere.dimension = 'all'
)

-- Weights are sums of fractions: rounded, those that are equal tie on every engine.
SELECT
    listener,
    local_hour,
    genre,
    genre_source,
    listens,
    weight,
    share,
    overall_share,
    share / overall_share AS lift,
    ROW_NUMBER() OVER (
        PARTITION BY listener, local_hour
        ORDER BY ROUND(weight, 6) DESC, listens DESC, first_started_at, genre
    ) AS genre_rank,
    genre_listens,
    genre_coverage,
    is_low_coverage,
    genre_listens < 50 AS is_small_sample,
    is_minimum
FROM shares
