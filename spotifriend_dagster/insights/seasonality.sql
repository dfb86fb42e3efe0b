/*
description: Which months of the year have more listening than others. Only calendar months whose days are all complete
  take part, by their listening time per day, of all media; the day on which coverage ends is not over and so not
  complete. A month of the year that never was complete has no row.
grain: [listener, month]
columns:
  listener: plays.listener
  month: int! The month of the year, 1 to 12.
  years: bigint! Complete calendar months of that name.
  ms_played_per_day: double! Mean over these of their listening time per day, in milliseconds.
  all_months_ms_played_per_day: double! The same mean over all complete calendar months of the listener.
  complete_months: bigint! How many those are.
  covered_days: bigint! Days that a source reaches, in all.
  seasonal_index: double ms_played_per_day ÷ all_months_ms_played_per_day, 1 being an average month; null unless two
    years (730 days) are covered.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH months AS (
    SELECT
        daily_listening.listener AS listener,
        DATE_TRUNC('month', daily_listening.local_date) AS month_start,
        COUNT_IF(
            daily_listening.status = 'complete' AND daily_listening.local_date < listening_totals.last_date
        ) AS complete_days,
        COUNT_IF(daily_listening.status <> 'unknown') AS covered_days,
        SUM(daily_listening.ms_played) AS ms_played
    FROM daily_listening
    INNER JOIN listening_totals ON listening_totals.listener = daily_listening.listener
    GROUP BY 1, 2
),

complete AS (
    SELECT
        listener,
        MONTH(month_start) AS month,
        CAST(ms_played AS double) / complete_days AS ms_played_per_day
    FROM months
    WHERE complete_days = DATE_DIFF('day', month_start, DATE_ADD('month', 1, month_start))
),

totals AS (
    SELECT listener, COUNT(*) AS complete_months, AVG(ms_played_per_day) AS ms_played_per_day
    FROM complete
    GROUP BY listener
),

coverage AS (
    SELECT listener, SUM(covered_days) AS covered_days
    FROM months
    GROUP BY listener
),

by_month AS (
    SELECT listener, month, COUNT(*) AS years, AVG(ms_played_per_day) AS ms_played_per_day
    FROM complete
    GROUP BY listener, month
)

SELECT
    by_month.listener AS listener,
    by_month.month AS month,
    by_month.years AS years,
    by_month.ms_played_per_day AS ms_played_per_day,
    totals.ms_played_per_day AS all_months_ms_played_per_day,
    totals.complete_months AS complete_months,
    coverage.covered_days AS covered_days,
    CASE
        WHEN coverage.covered_days >= 730 THEN by_month.ms_played_per_day / NULLIF(totals.ms_played_per_day, 0)
    END AS seasonal_index,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM by_month
INNER JOIN totals ON totals.listener = by_month.listener
INNER JOIN coverage ON coverage.listener = by_month.listener
LEFT JOIN listening_totals ON listening_totals.listener = by_month.listener
