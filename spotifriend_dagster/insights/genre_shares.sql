/*
description: >-
  The share of each genre in the listens of all time, of a local month, of a local hour and of a part of the day: one row
  for each in which it has a listen. Each listen weighs 1, split equally over the genres of its credited artists; listens
  without a known genre are left out. What the genre insights compare.
grain: [listener, dimension, value, genre]
columns:
  listener: plays.listener
  dimension: genre_coverage.dimension
  value: genre_coverage.value
  genre: play_genres.genre
  genre_source: string! "Who says the genre of its artists, `user`, `spotify` or `musicbrainz`; `mixed` where several do."
  listens: bigint! Listens that start in it and have the genre, by any credited artist.
  weight: double! The genre's part of these listens, each of which weighs 1 over all its genres.
  share: double! weight ÷ genre_listens, 0 to 1; the shares of all genres add up to 1.
  genre_rank: bigint! Place among the genres, from 1, by weight, listens, earliest listen, name.
  first_started_at: timestamp! When the first of these listens started, UTC.
  genre_listens: bigint! Listens of which any genre is known, the denominator of share.
  genre_coverage: double Share of the listening time whose artist has any genre; null without listening time.
  is_low_coverage: boolean! Whether that is less than half, too little for the shares to be trusted.
  is_minimum: genre_coverage.is_minimum
*/
WITH heard AS (
    SELECT
        play_genres.listener AS listener,
        DATE_TRUNC('month', plays.local_date) AS month,
        plays.local_hour AS local_hour,
        plays.daypart AS daypart,
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
    GROUP BY 1, 2, 3, 4, 5
),

weighed AS (
    SELECT
        heard.listener AS listener,
        dimensions.dimension AS dimension,
        CASE dimensions.dimension
            WHEN 'month' THEN DATE_FORMAT(heard.month, '%Y-%m')
            WHEN 'hour' THEN LPAD(CAST(heard.local_hour AS varchar), 2, '0')
            WHEN 'daypart' THEN heard.daypart
            ELSE 'all'
        END AS value,
        heard.genre AS genre,
        MIN(heard.first_source) AS first_source,
        MAX(heard.last_source) AS last_source,
        SUM(heard.listens) AS listens,
        SUM(heard.weight) AS weight,
        MIN(heard.first_started_at) AS first_started_at
    FROM heard
    CROSS JOIN UNNEST(ARRAY['all', 'month', 'hour', 'daypart']) AS dimensions (dimension)
    GROUP BY 1, 2, 3, 4
)

-- Weights are sums of fractions: rounded, those that are equal tie on every engine.
SELECT
    weighed.listener AS listener,
    weighed.dimension AS dimension,
    weighed.value AS value,
    weighed.genre AS genre,
    CASE WHEN weighed.first_source = weighed.last_source THEN weighed.first_source ELSE 'mixed' END AS genre_source,
    weighed.listens AS listens,
    weighed.weight AS weight,
    weighed.weight / genre_coverage.genre_listens AS share,
    ROW_NUMBER() OVER (
        PARTITION BY weighed.listener, weighed.dimension, weighed.value
        ORDER BY ROUND(weighed.weight, 6) DESC, weighed.listens DESC, weighed.first_started_at, weighed.genre
    ) AS genre_rank,
    weighed.first_started_at AS first_started_at,
    genre_coverage.genre_listens AS genre_listens,
    genre_coverage.ms_played_share AS genre_coverage,
    genre_coverage.is_low_coverage AS is_low_coverage,
    genre_coverage.is_minimum AS is_minimum
FROM weighed
INNER JOIN genre_coverage
    ON genre_coverage.listener = weighed.listener
    AND genre_coverage.dimension = weighed.dimension
    AND genre_coverage.value = weighed.value
    AND genre_coverage.genre_source = 'all'
