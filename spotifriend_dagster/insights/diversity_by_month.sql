/*
description: >-
  How widely the listening time for tracks is spread over artists: one row per local month, from the first month with
  music to the last, and one for the whole period. Months without music have no figures (null, not 0). Unknown artists
  are left out.
grain: [listener, period_kind, period]
columns:
  listener: plays.listener
  period_kind: string! `month`, or `all` for the whole period.
  period: string! The local month as `2025-03`, or `all`.
  period_start: date The first day of the local month; null for `all`.
  artists: bigint! Artists with any listening time.
  ms_played: bigint! Milliseconds of sound of tracks by known artists, split at the boundaries of months.
  entropy_bits: double Shannon entropy of the artists' shares of ms_played, in bits; 0 for one artist.
  effective_artists: double 2 ^ entropy_bits, how many equally heard artists would be as diverse.
  herfindahl_index: double Herfindahl–Hirschman index, the sum of the squared shares, from 1 ÷ artists to 1.
  gini_simpson: double 1 − herfindahl_index, the chance that two random moments are of different artists.
  top_1_share: double Share of ms_played of the artist with most of it, 0 to 1.
  top_5_share: double Share of ms_played of the 5 artists with most of it, 0 to 1.
  top_10_share: double Share of ms_played of the 10 artists with most of it, 0 to 1.
  unknown_artist_share: double Share of the listening time for all tracks that is left out, its artist unknown.
  estimated_share: double Share of the listening time for all tracks that is estimated.
  is_minimum: boolean! Whether plays of the period may be missing, as coverage has a gap in it.
*/
WITH months AS (
    SELECT
        listener,
        DATE_TRUNC('month', local_date) AS month,
        artist_name,
        SUM(ms_played) AS ms_played,
        SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS estimated_ms
    FROM play_hours
    WHERE is_counted AND media = 'track' AND ms_played > 0
    GROUP BY listener, DATE_TRUNC('month', local_date), artist_name
),
spans AS (
    SELECT
        listener,
        MIN(month) AS first_month,
        MAX(month) AS last_month,
        DATE_DIFF('month', MIN(month), MAX(month)) AS months_later
    FROM months
    GROUP BY listener
),
periods AS (
    SELECT
        spans.listener AS listener,
        'month' AS period_kind,
        DATE_ADD('month', later.month_number, spans.first_month) AS period_start
    FROM spans
    CROSS JOIN UNNEST(SEQUENCE(0, spans.months_later)) AS later (month_number)
    UNION ALL
    SELECT
        listener,
        'all' AS period_kind,
        first_month AS period_start
    FROM spans
),
times AS (
    SELECT
        listener,
        'month' AS period_kind,
        month AS period_start,
        artist_name,
        ms_played,
        estimated_ms
    FROM months
    UNION ALL
    SELECT
        months.listener AS listener,
        'all' AS period_kind,
        MIN(spans.first_month) AS period_start,
        months.artist_name AS artist_name,
        SUM(months.ms_played) AS ms_played,
        SUM(months.estimated_ms) AS estimated_ms
    FROM months
    INNER JOIN spans ON spans.listener = months.listener
    GROUP BY months.listener, months.artist_name
),
totals AS (
    SELECT
        listener,
        period_kind,
        period_start,
        CAST(SUM(CASE WHEN artist_name IS NULL THEN ms_played ELSE 0 END) AS double) / SUM(ms_played)
            AS unknown_artist_share,
        CAST(SUM(estimated_ms) AS double) / SUM(ms_played) AS estimated_share
    FROM times
    GROUP BY listener, period_kind, period_start
),
shares AS (
    SELECT
        listener,
        period_kind,
        period_start,
        ms_played,
        CAST(ms_played AS double) / SUM(ms_played) OVER (PARTITION BY listener, period_kind, period_start) AS share,
        ROW_NUMBER() OVER (
            PARTITION BY listener, period_kind, period_start
            ORDER BY ms_played DESC, artist_name
        ) AS artist_rank
    FROM times
    WHERE artist_name IS NOT NULL
),
figures AS (
    SELECT
        listener,
        period_kind,
        period_start,
        COUNT(*) AS artists,
        SUM(ms_played) AS ms_played,
        SUM(share * LOG2(1 / share)) AS entropy_bits,
        SUM(share * share) AS herfindahl_index,
        SUM(CASE WHEN artist_rank <= 1 THEN share ELSE 0 END) AS top_1_share,
        SUM(CASE WHEN artist_rank <= 5 THEN share ELSE 0 END) AS top_5_share,
        SUM(CASE WHEN artist_rank <= 10 THEN share ELSE 0 END) AS top_10_share
    FROM shares
    GROUP BY listener, period_kind, period_start
),
covered_months AS (
    SELECT
        listener,
        DATE_TRUNC('month', local_date) AS month,
        BOOL_OR(is_minimum) AS is_minimum
    FROM listening_coverage
    GROUP BY listener, DATE_TRUNC('month', local_date)
),
covered_periods AS (
    SELECT
        listener,
        'month' AS period_kind,
        month AS period_start,
        is_minimum
    FROM covered_months
    UNION ALL
    SELECT
        spans.listener AS listener,
        'all' AS period_kind,
        spans.first_month AS period_start,
        BOOL_OR(covered_months.is_minimum) AS is_minimum
    FROM spans
    INNER JOIN covered_months
        ON covered_months.listener = spans.listener
        AND covered_months.month BETWEEN spans.first_month AND spans.last_month
    GROUP BY spans.listener, spans.first_month
)
SELECT
    periods.listener AS listener,
    periods.period_kind AS period_kind,
    CASE periods.period_kind
        WHEN 'month' THEN DATE_FORMAT(periods.period_start, '%Y-%m')
        ELSE 'all'
    END AS period,
    CASE WHEN periods.period_kind = 'month' THEN periods.period_start END AS period_start,
    COALESCE(figures.artists, 0) AS artists,
    COALESCE(figures.ms_played, 0) AS ms_played,
    figures.entropy_bits AS entropy_bits,
    POWER(2, figures.entropy_bits) AS effective_artists,
    figures.herfindahl_index AS herfindahl_index,
    1 - figures.herfindahl_index AS gini_simpson,
    figures.top_1_share AS top_1_share,
    figures.top_5_share AS top_5_share,
    figures.top_10_share AS top_10_share,
    totals.unknown_artist_share AS unknown_artist_share,
    totals.estimated_share AS estimated_share,
    covered_periods.is_minimum AS is_minimum
FROM periods
INNER JOIN covered_periods
    ON covered_periods.listener = periods.listener
    AND covered_periods.period_kind = periods.period_kind
    AND covered_periods.period_start = periods.period_start
LEFT JOIN figures
    ON figures.listener = periods.listener
    AND figures.period_kind = periods.period_kind
    AND figures.period_start = periods.period_start
LEFT JOIN totals
    ON totals.listener = periods.listener
    AND totals.period_kind = periods.period_kind
    AND totals.period_start = periods.period_start
