/*
description: >-
  How many of a month's newly discovered artists stuck. One row per local month with a discovery; the rule is that of
  `artist_discovery`. Sum the counts for the rate of a longer period.
grain: [listener, discovered_month]
columns:
  listener: plays.listener
  discovered_month: date! The first day of the local month of the discoveries.
  discoveries: bigint! Artists discovered in the month.
  censored_discoveries: bigint! Of these, left out as they fall in the first 90 days of the known history.
  recent_discoveries: bigint! Of these, left out as less than 30 days of coverage follow; uncensored ones only.
  judged_discoveries: bigint! Of these, those that remain, the denominator of conversion_share.
  converted_discoveries: bigint! Of these, those that were converted.
  conversion_share: double converted_discoveries ÷ judged_discoveries, 0 to 1; null where none is judged.
  is_minimum: boolean! Whether plays of the month or of the one after may be missing, as coverage has a gap in it.
*/
WITH months AS (
    SELECT
        listener,
        DATE_TRUNC('month', discovered_on) AS discovered_month,
        COUNT(*) AS discoveries,
        COUNT_IF(is_censored) AS censored_discoveries,
        COUNT_IF(is_recent AND NOT is_censored) AS recent_discoveries,
        COUNT(is_converted) AS judged_discoveries,
        COUNT_IF(is_converted) AS converted_discoveries
    FROM artist_discovery
    GROUP BY listener, DATE_TRUNC('month', discovered_on)
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
    months.listener AS listener,
    months.discovered_month AS discovered_month,
    months.discoveries AS discoveries,
    months.censored_discoveries AS censored_discoveries,
    months.recent_discoveries AS recent_discoveries,
    months.judged_discoveries AS judged_discoveries,
    months.converted_discoveries AS converted_discoveries,
    CAST(months.converted_discoveries AS double) / NULLIF(months.judged_discoveries, 0) AS conversion_share,
    covered.is_minimum OR COALESCE(covered_after.is_minimum, FALSE) AS is_minimum
FROM months
INNER JOIN covered_months AS covered
    ON covered.listener = months.listener
    AND covered.month = months.discovered_month
LEFT JOIN covered_months AS covered_after
    ON covered_after.listener = months.listener
    AND covered_after.month = DATE_ADD('month', 1, months.discovered_month)
