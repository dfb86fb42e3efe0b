/*
description: >-
  Of the artists discovered in a month, the share that is listened to again k months later. One row per local month
  with a discovery and k of at least 1, as far as that later month lies wholly before the end of coverage.
grain: [listener, discovered_month, months_later]
columns:
  listener: plays.listener
  discovered_month: artist_conversion.discovered_month
  months_later: bigint! k; the artist counts if a listen falls in the k-th local month after the month of discovery.
  discovered_artists: bigint! Artists discovered in the month, the denominator of retention.
  retained_artists: bigint! Of these, those listened to again in that later month.
  retention: double! retained_artists ÷ discovered_artists, 0 to 1.
  is_censored: boolean! Whether a discovery of the month falls in the first 90 days of the known history.
  is_minimum: boolean! Whether plays of the later month may be missing, as coverage has a gap in it.
*/
WITH cohorts AS (
    SELECT
        artist_conversion.listener AS listener,
        artist_conversion.discovered_month AS discovered_month,
        artist_conversion.discoveries AS discovered_artists,
        artist_conversion.censored_discoveries > 0 AS is_censored,
        DATE_DIFF('month', artist_conversion.discovered_month, DATE_TRUNC('month', listening_totals.last_date)) - 1
            AS complete_months
    FROM artist_conversion
    INNER JOIN listening_totals ON listening_totals.listener = artist_conversion.listener
),
windows AS (
    SELECT
        cohorts.listener AS listener,
        cohorts.discovered_month AS discovered_month,
        cohorts.discovered_artists AS discovered_artists,
        cohorts.is_censored AS is_censored,
        later.months_later AS months_later
    FROM cohorts
    CROSS JOIN UNNEST(SEQUENCE(1, GREATEST(cohorts.complete_months, 1))) AS later (months_later)
    WHERE later.months_later <= cohorts.complete_months
),
active_months AS (
    SELECT DISTINCT
        listener,
        artist_name,
        DATE_TRUNC('month', local_date) AS active_month
    FROM plays
    WHERE artist_novelty IS NOT NULL
),
comebacks AS (
    SELECT
        artist_discovery.listener AS listener,
        DATE_TRUNC('month', artist_discovery.discovered_on) AS discovered_month,
        DATE_DIFF(
            'month',
            DATE_TRUNC('month', artist_discovery.discovered_on),
            active_months.active_month
        ) AS months_later,
        COUNT(*) AS retained_artists
    FROM artist_discovery
    INNER JOIN active_months
        ON active_months.listener = artist_discovery.listener
        AND active_months.artist_name = artist_discovery.artist_name
    GROUP BY 1, 2, 3
),
covered_months AS (
    SELECT
        listener,
        DATE_TRUNC('month', local_date) AS month,
        BOOL_OR(is_minimum) AS is_minimum
    FROM listening_coverage
    GROUP BY listener, DATE_TRUNC('month', local_date)
)
SELECT
    windows.listener AS listener,
    windows.discovered_month AS discovered_month,
    windows.months_later AS months_later,
    windows.discovered_artists AS discovered_artists,
    COALESCE(comebacks.retained_artists, 0) AS retained_artists,
    CAST(COALESCE(comebacks.retained_artists, 0) AS double) / windows.discovered_artists AS retention,
    windows.is_censored AS is_censored,
    covered_months.is_minimum AS is_minimum
FROM windows
INNER JOIN covered_months
    ON covered_months.listener = windows.listener
    AND covered_months.month = DATE_ADD('month', windows.months_later, windows.discovered_month)
LEFT JOIN comebacks
    ON comebacks.listener = windows.listener
    AND comebacks.discovered_month = windows.discovered_month
    AND comebacks.months_later = windows.months_later
