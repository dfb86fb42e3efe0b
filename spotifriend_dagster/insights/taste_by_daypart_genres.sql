/*
description: >-
  Genres through the day: one row per part of the day and genre with a listen that starts in it. Each listen weighs 1, split
  equally over the genres of its credited artists; listens without a known genre are left out. How far each part lies from
  the whole is in `daypart_divergence`.
grain: [listener, daypart, genre]
columns:
  listener: plays.listener
  daypart: plays.daypart
  genre: play_genres.genre
  genre_source: genre_shares.genre_source
  listens: genre_shares.listens
  weight: genre_shares.weight
  share: genre_shares.share
  overall_share: double! The genre's share of all listens that have a genre, at any time of the day.
  lift: double! share ÷ overall_share; above 1 where the genre belongs to the part of the day.
  genre_rank: genre_shares.genre_rank
  genre_listens: genre_shares.genre_listens
  genre_coverage: genre_shares.genre_coverage
  is_low_coverage: genre_shares.is_low_coverage
  is_small_sample: boolean! Whether genre_listens are fewer than 50, too few for the shares to be trusted.
  is_minimum: genre_shares.is_minimum
*/
SELECT
    part.listener AS listener,
    part.value AS daypart,
    part.genre AS genre,
    part.genre_source AS genre_source,
    part.listens AS listens,
    part.weight AS weight,
    part.share AS share,
    overall.share AS overall_share,
    part.share / overall.share AS lift,
    part.genre_rank AS genre_rank,
    part.genre_listens AS genre_listens,
    part.genre_coverage AS genre_coverage,
    part.is_low_coverage AS is_low_coverage,
    part.genre_listens < 50 AS is_small_sample,
    part.is_minimum AS is_minimum
FROM genre_shares AS part
INNER JOIN genre_shares AS overall
    ON overall.listener = part.listener
    AND overall.dimension = 'all'
    AND overall.genre = part.genre
WHERE part.dimension = 'daypart'
