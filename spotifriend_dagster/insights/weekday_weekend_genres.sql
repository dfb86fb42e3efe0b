/*
description: >-
  Weekdays (Monday to Friday) against weekends, by local date, for each genre with a listen. Each listen weighs 1, split
  equally over the genres of its credited artists; listens without a known genre are left out. Shares are normalised per
  day, 5 against 2, so that 0.5 means no difference.
grain: [listener, genre]
columns:
  listener: plays.listener
  genre: play_genres.genre
  genre_source: string! "Who says the genre of its artists, `user`, `spotify` or `musicbrainz`; `mixed` where several do."
  weekday_listens: bigint! Listens of the genre that start on a weekday.
  weekend_listens: bigint! Listens of the genre that start on a weekend.
  weekday_weight: double! The genre's part of these listens on weekdays.
  weekend_weight: double! The genre's part of these listens on weekends.
  weekday_share: double! Of its weight per day, the weekday's part, (weekday_weight ÷ 5) ÷ (weekday_weight ÷ 5 +
    weekend_weight ÷ 2).
  weekend_share: double! Of its weight per day, the weekend's part, 1 − weekday_share.
  weekend_lift_log2: double Binary logarithm of the genre's share of the weekend's weight ÷ that of the weekday's (1 is
    twice as much, −1 half), each genre's weight smoothed by ½; null under 20 listens.
  genre_coverage: double Share of the listening time whose artist has any genre; null without listening time.
  is_low_coverage: boolean! Whether that is less than half, too little for the shares to be trusted.
  is_minimum: boolean! Whether plays may be missing, as the coverage of the history has a gap.
*/
WITH weighed AS (
    SELECT
        play_genres.listener AS listener,
        play_genres.genre AS genre,
        MIN(play_genres.genre_source) AS first_source,
        MAX(play_genres.genre_source) AS last_source,
        COUNT_IF(NOT plays.is_weekend) AS weekday_listens,
        COUNT_IF(plays.is_weekend) AS weekend_listens,
        SUM(CASE WHEN plays.is_weekend THEN 0E0 ELSE play_genres.weight END) AS weekday_weight,
        SUM(CASE WHEN plays.is_weekend THEN play_genres.weight ELSE 0E0 END) AS weekend_weight
    FROM play_genres
    INNER JOIN plays
        ON plays.listener = play_genres.listener
        AND plays.play_number = play_genres.play_number
    GROUP BY play_genres.listener, play_genres.genre
),

all_genres AS (
    SELECT
        listener,
        COUNT(*) AS genres,
        SUM(weekday_weight) AS weekday_weight,
        SUM(weekend_weight) AS weekend_weight
    FROM weighed
    GROUP BY listener
)

SELECT
    weighed.listener AS listener,
    weighed.genre AS genre,
    CASE WHEN weighed.first_source = weighed.last_source THEN weighed.first_source ELSE 'mixed' END AS genre_source,
    weighed.weekday_listens AS weekday_listens,
    weighed.weekend_listens AS weekend_listens,
    weighed.weekday_weight AS weekday_weight,
    weighed.weekend_weight AS weekend_weight,
    2 * weighed.weekday_weight / (2 * weighed.weekday_weight + 5 * weighed.weekend_weight) AS weekday_share,
    5 * weighed.weekend_weight / (2 * weighed.weekday_weight + 5 * weighed.weekend_weight) AS weekend_share,
    CASE
        WHEN weighed.weekday_listens + weighed.weekend_listens >= 20
            THEN LOG2(
                ((weighed.weekend_weight + 0.5E0) / (all_genres.weekend_weight + 0.5E0 * all_genres.genres))
                / ((weighed.weekday_weight + 0.5E0) / (all_genres.weekday_weight + 0.5E0 * all_genres.genres))
            )
    END AS weekend_lift_log2,
    genre_coverage.ms_played_share AS genre_coverage,
    genre_coverage.is_low_coverage AS is_low_coverage,
    genre_coverage.is_minimum AS is_minimum
FROM weighed
INNER JOIN all_genres ON all_genres.listener = weighed.listener
INNER JOIN genre_coverage
    ON genre_coverage.listener = weighed.listener
    AND genre_coverage.dimension = 'all'
    AND genre_coverage.genre_source = 'all'
