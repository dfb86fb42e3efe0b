/*
description: >-
  Genres by the hour: one row per local hour and genre with a listen that starts in it. Each listen weighs 1, split equally
  over the genres of its credited artists; listens without a known genre are left out.
grain: [listener, local_hour, genre]
columns:
  listener: plays.listener
  local_hour: plays.local_hour
  genre: play_genres.genre
  genre_source: genre_shares.genre_source
  listens: genre_shares.listens
  weight: genre_shares.weight
  share: genre_shares.share
  overall_share: double! The genre's share of all listens that have a genre, at any time of the day.
  lift: double! share ÷ overall_share; above 1 where the genre belongs to the hour.
  genre_rank: genre_shares.genre_rank
  genre_listens: genre_shares.genre_listens
  genre_coverage: genre_shares.genre_coverage
  is_low_coverage: genre_shares.is_low_coverage
  is_small_sample: boolean! Whether genre_listens are fewer than 50, too few for the shares to be trusted.
  is_minimum: genre_shares.is_minimum
*/
SELECT
    hour.listener AS listener,
    CAST(hour.value AS integer) AS local_hour,
    hour.genre AS genre,
    hour.genre_source AS genre_source,
    hour.listens AS listens,
    hour.weight AS weight,
    hour.share AS share,
    overall.share AS overall_share,
    hour.share / overall.share AS lift,
    hour.genre_rank AS genre_rank,
    hour.genre_listens AS genre_listens,
    hour.genre_coverage AS genre_coverage,
    hour.is_low_coverage AS is_low_coverage,
    hour.genre_listens < 50 AS is_small_sample,
    hour.is_minimum AS is_minimum
FROM genre_shares AS hour
INNER JOIN genre_shares AS overall
    ON overall.listener = hour.listener
    AND overall.dimension = 'all'
    AND overall.genre = hour.genre
WHERE hour.dimension = 'hour'
