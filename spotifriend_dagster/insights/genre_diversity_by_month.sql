/*
description: >-
  How widely the listening time for tracks is spread over genres: one row per local month, from the first month with
  music to the last, and one for the whole period, for listeners of whose music any genre is known. Months without a known
  genre have no figures (null, not 0). A listen's time is split equally over the genres of its credited artists. The same
  over artists is in `diversity_by_month`.
grain: [listener, period_kind, period]
columns:
  listener: plays.listener
  period_kind: diversity_by_month.period_kind
  period: diversity_by_month.period
  period_start: diversity_by_month.period_start
  genres: bigint! Genres with any listening time.
  ms_played: bigint! Milliseconds of sound of listens of which a genre is known, split at the boundaries of months.
  entropy_bits: double Shannon entropy of the genres' shares of ms_played, in bits; 0 for one genre.
  effective_genres: double 2 ^ entropy_bits, how many equally heard genres would be as diverse.
  herfindahl_index: double Herfindahl–Hirschman index, the sum of the squared shares, from 1 ÷ genres to 1.
  gini_simpson: double 1 − herfindahl_index, the chance that two random moments are of different genres.
  top_1_share: double Share of ms_played of the genre with most of it, 0 to 1.
  top_5_share: double Share of ms_played of the 5 genres with most of it, 0 to 1.
  top_10_share: double Share of ms_played of the 10 genres with most of it, 0 to 1.
  genre_coverage: double Share of the period's listening time whose artist has any genre; null without any.
  is_low_coverage: boolean! Whether that is less than half or null, too little for the figures to be trusted.
  estimated_share: diversity_by_month.estimated_share
  is_minimum: diversity_by_month.is_minimum
*/
WITH months AS (
    SELECT
        play_genres.listener AS listener,
        DATE_TRUNC('month', play_hours.local_date) AS month,
        play_genres.genre AS genre,
        SUM(play_genres.weight * play_hours.ms_played) AS ms_played
    FROM play_genres
    INNER JOIN play_hours
        ON play_hours.listener = play_genres.listener
        AND play_hours.play_number = play_genres.play_number
    GROUP BY play_genres.listener, DATE_TRUNC('month', play_hours.local_date), play_genres.genre
),

times AS (
    SELECT listener, DATE_FORMAT(month, '%Y-%m') AS period, genre, ms_played
    FROM months
    UNION ALL
    SELECT listener, 'all' AS period, genre, SUM(ms_played) AS ms_played
    FROM months
    GROUP BY listener, genre
),

shares AS (
    SELECT
        listener,
        period,
        ms_played,
        ms_played / SUM(ms_played) OVER (PARTITION BY listener, period) AS share,
        ROW_NUMBER() OVER (PARTITION BY listener, period ORDER BY ROUND(ms_played) DESC, genre) AS genre_rank
    FROM times
    WHERE ms_played > 0
),

figures AS (
    SELECT
        listener,
        period,
        COUNT(*) AS genres,
        CAST(SUM(ms_played) AS bigint) AS ms_played,
        SUM(share * LOG2(1 / share)) AS entropy_bits,
        SUM(share * share) AS herfindahl_index,
        SUM(CASE WHEN genre_rank <= 1 THEN share ELSE 0E0 END) AS top_1_share,
        SUM(CASE WHEN genre_rank <= 5 THEN share ELSE 0E0 END) AS top_5_share,
        SUM(CASE WHEN genre_rank <= 10 THEN share ELSE 0E0 END) AS top_10_share
    FROM shares
    GROUP BY listener, period
),

listeners AS (
    SELECT DISTINCT listener FROM figures
)

SELECT
    diversity_by_month.listener AS listener,
    diversity_by_month.period_kind AS period_kind,
    diversity_by_month.period AS period,
    diversity_by_month.period_start AS period_start,
    COALESCE(figures.genres, 0) AS genres,
    COALESCE(figures.ms_played, 0) AS ms_played,
    figures.entropy_bits AS entropy_bits,
    POWER(2, figures.entropy_bits) AS effective_genres,
    figures.herfindahl_index AS herfindahl_index,
    1 - figures.herfindahl_index AS gini_simpson,
    figures.top_1_share AS top_1_share,
    figures.top_5_share AS top_5_share,
    figures.top_10_share AS top_10_share,
    genre_coverage.ms_played_share AS genre_coverage,
    COALESCE(genre_coverage.is_low_coverage, TRUE) AS is_low_coverage,
    diversity_by_month.estimated_share AS estimated_share,
    diversity_by_month.is_minimum AS is_minimum
FROM diversity_by_month
INNER JOIN listeners ON listeners.listener = diversity_by_month.listener
LEFT JOIN figures
    ON figures.listener = diversity_by_month.listener
    AND figures.period = diversity_by_month.period
LEFT JOIN genre_coverage
    ON genre_coverage.listener = diversity_by_month.listener
    AND genre_coverage.dimension = diversity_by_month.period_kind
    AND genre_coverage.value = diversity_by_month.period
    AND genre_coverage.genre_source = 'all'
