/*
description: >-
  How genres come and go: the share of each genre in each local month, and its change to the month before. One row per
  month and genre with a listen, and one for the month in which it first has none any more. Each listen weighs 1, split
  equally over the genres of its credited artists; listens without a known genre are left out.
grain: [listener, month, genre]
columns:
  listener: plays.listener
  month: date! The first day of the local month.
  genre: play_genres.genre
  genre_source: genre_shares.genre_source
  listens: bigint! Listens that start in the month and have the genre, by any credited artist.
  weight: double! The genre's part of these listens, each of which weighs 1 over all its genres.
  share: double! weight ÷ genre_listens, 0 to 1; the shares of a month add up to 1.
  previous_share: double The genre's share in the calendar month before; null where that has no listen with a genre.
  share_change: double share − previous_share, from −1 to 1; null where there is no previous_share.
  genre_rank: bigint! Place in the month, from 1, by weight, listens, earliest listen, name.
  genre_listens: genre_shares.genre_listens
  genres: genre_diversity_by_month.genres
  effective_genres: genre_diversity_by_month.effective_genres
  genre_coverage: genre_diversity_by_month.genre_coverage
  is_low_coverage: genre_diversity_by_month.is_low_coverage
  is_minimum: boolean! Whether plays of the month, or of the one before where it is compared, may be missing.
*/
WITH heard AS (
    SELECT
        listener,
        CAST(value || '-01' AS date) AS month,
        genre,
        genre_source,
        listens,
        weight,
        first_started_at
    FROM genre_shares
    WHERE dimension = 'month'
),

covered AS (
    SELECT
        genre_coverage.listener AS listener,
        genre_diversity_by_month.period_start AS month,
        genre_coverage.genre_listens AS genre_listens,
        genre_diversity_by_month.genres AS genres,
        genre_diversity_by_month.effective_genres AS effective_genres,
        genre_diversity_by_month.genre_coverage AS genre_coverage,
        genre_diversity_by_month.is_low_coverage AS is_low_coverage,
        genre_diversity_by_month.is_minimum AS is_minimum
    FROM genre_coverage
    INNER JOIN genre_diversity_by_month
        ON genre_diversity_by_month.listener = genre_coverage.listener
        AND genre_diversity_by_month.period_kind = genre_coverage.dimension
        AND genre_diversity_by_month.period = genre_coverage.value
    WHERE genre_coverage.dimension = 'month'
        AND genre_coverage.genre_source = 'all'
        AND genre_coverage.genre_listens > 0
),

-- A genre in its month, and as the month before of the next.
told AS (
    SELECT
        heard.listener AS listener,
        heard.month AS month,
        heard.genre AS genre,
        heard.genre_source AS genre_source,
        heard.listens AS listens,
        heard.weight AS weight,
        heard.first_started_at AS first_started_at,
        0E0 AS previous_weight
    FROM heard
    UNION ALL
    SELECT
        heard.listener AS listener,
        DATE_ADD('month', 1, heard.month) AS month,
        heard.genre AS genre,
        heard.genre_source AS genre_source,
        0 AS listens,
        0E0 AS weight,
        CAST(NULL AS timestamp) AS first_started_at,
        heard.weight AS previous_weight
    FROM heard
),

months AS (
    SELECT
        listener,
        month,
        genre,
        MIN(genre_source) AS first_source,
        MAX(genre_source) AS last_source,
        SUM(listens) AS listens,
        SUM(weight) AS weight,
        MIN(first_started_at) AS first_started_at,
        SUM(previous_weight) AS previous_weight
    FROM told
    GROUP BY listener, month, genre
),

shares AS (
    SELECT
        months.listener AS listener,
        months.month AS month,
        months.genre AS genre,
        CASE WHEN months.first_source = months.last_source THEN months.first_source ELSE 'mixed' END AS genre_source,
        months.listens AS listens,
        months.weight AS weight,
        months.first_started_at AS first_started_at,
        months.weight / covered.genre_listens AS share,
        months.previous_weight / before.genre_listens AS previous_share,
        covered.genre_listens AS genre_listens,
        covered.genres AS genres,
        covered.effective_genres AS effective_genres,
        covered.genre_coverage AS genre_coverage,
        covered.is_low_coverage AS is_low_coverage,
        covered.is_minimum OR COALESCE(before.is_minimum, FALSE) AS is_minimum
    FROM months
    INNER JOIN covered
        ON covered.listener = months.listener
        AND covered.month = months.month
    LEFT JOIN covered AS before
        ON before.listener = months.listener
        AND before.month = DATE_ADD('month', -1, months.month)
)

SELECT
    listener,
    month,
    genre,
    genre_source,
    listens,
    weight,
    share,
    previous_share,
    share - previous_share AS share_change,
    ROW_NUMBER() OVER (
        PARTITION BY listener, month
        ORDER BY ROUND(weight, 6) DESC, listens DESC, first_started_at, genre
    ) AS genre_rank,
    genre_listens,
    genres,
    effective_genres,
    genre_coverage,
    is_low_coverage,
    is_minimum
FROM shares
