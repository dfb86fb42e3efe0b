/*
description: Whether listening grows or shrinks, and how much there is of it, in one row per listener. Listening time is
  of all media. The slope is that of a straight line through the weekly totals, over weeks (Monday to Sunday) whose days
  are all complete (the day on which coverage ends is not over); its interval is the usual one for 95 %, and takes the
  weeks as independent of each other.
grain: [listener]
columns:
  listener: plays.listener
  covered_days: bigint! Calendar days that a source reaches.
  active_days: bigint! Days with at least one listen.
  ms_played_per_covered_day: double Listening time per covered day, in milliseconds.
  ms_played_per_active_day: double The same listening time per active day, in milliseconds.
  longest_date: date The local date with the most listening time; the earliest on ties.
  longest_ms_played: bigint Listening time on it, in milliseconds.
  complete_weeks: bigint! Weeks whose days are all complete and over.
  ms_played_per_week: double Mean listening time of these weeks, in milliseconds; null without one.
  slope_ms_per_week: double By how many milliseconds the weekly total grows from week to week; null under 8 weeks.
  slope_low_ms_per_week: double Lower end of the slope's 95 % interval.
  slope_high_ms_per_week: double Upper end of the slope's 95 % interval.
  is_minimum: boolean! Whether one of the covered days is not completely known, so that listening may be missing.
*/
WITH weeks AS (
    SELECT
        daily_listening.listener AS listener,
        DATE_TRUNC('week', daily_listening.local_date) AS week_start,
        COUNT_IF(
            daily_listening.status = 'complete' AND daily_listening.local_date < listening_totals.last_date
        ) AS complete_days,
        CAST(SUM(daily_listening.ms_played) AS double) AS ms_played
    FROM daily_listening
    INNER JOIN listening_totals ON listening_totals.listener = daily_listening.listener
    GROUP BY 1, 2
),

complete AS (
    SELECT
        listener,
        ms_played,
        CAST(DATE_DIFF('week', DATE '2001-01-01', week_start) AS double) AS week
    FROM weeks
    WHERE complete_days = 7
),

centred AS (
    SELECT
        listener,
        ms_played,
        week - AVG(week) OVER (PARTITION BY listener) AS week,
        ms_played - AVG(ms_played) OVER (PARTITION BY listener) AS above_mean
    FROM complete
),

products AS (
    SELECT
        listener,
        COUNT(*) AS weeks,
        AVG(ms_played) AS ms_played_per_week,
        SUM(week * week) AS week_squares,
        SUM(week * above_mean) AS week_products,
        SUM(above_mean * above_mean) AS squares
    FROM centred
    GROUP BY listener
),

slopes AS (
    SELECT
        listener,
        weeks,
        ms_played_per_week,
        week_products / week_squares AS slope,
        SQRT(
            GREATEST(squares - week_products * week_products / week_squares, 0E0) / ((weeks - 2) * week_squares)
        ) AS standard_error,
        -- Student's t for 97.5 %, by its expansion around the normal's 1.96: within 1 % from 6 degrees of freedom on.
        1.959964E0 + 2.372271E0 / (weeks - 2) + 2.822502E0 / ((weeks - 2) * (weeks - 2)) AS errors
    FROM products
    WHERE weeks >= 8
),

days AS (
    SELECT
        listener,
        COUNT_IF(status <> 'unknown') AS covered_days,
        COUNT_IF(listens > 0) AS active_days,
        CAST(SUM(ms_played) AS double) AS ms_played,
        MAX(ms_played) AS longest_ms_played,
        BOOL_OR(is_minimum) AS is_minimum
    FROM daily_listening
    GROUP BY listener
),

longest AS (
    SELECT days.listener AS listener, MIN(daily_listening.local_date) AS longest_date
    FROM days
    INNER JOIN daily_listening
        ON daily_listening.listener = days.listener
        AND daily_listening.ms_played = days.longest_ms_played
    WHERE days.longest_ms_played > 0
    GROUP BY days.listener
)

SELECT
    days.listener AS listener,
    days.covered_days AS covered_days,
    days.active_days AS active_days,
    days.ms_played / NULLIF(days.covered_days, 0) AS ms_played_per_covered_day,
    days.ms_played / NULLIF(days.active_days, 0) AS ms_played_per_active_day,
    longest.longest_date AS longest_date,
    CASE WHEN longest.longest_date IS NOT NULL THEN days.longest_ms_played END AS longest_ms_played,
    COALESCE(products.weeks, 0) AS complete_weeks,
    products.ms_played_per_week AS ms_played_per_week,
    slopes.slope AS slope_ms_per_week,
    slopes.slope - slopes.errors * slopes.standard_error AS slope_low_ms_per_week,
    slopes.slope + slopes.errors * slopes.standard_error AS slope_high_ms_per_week,
    days.is_minimum AS is_minimum
FROM days
LEFT JOIN longest ON longest.listener = days.listener
LEFT JOIN products ON products.listener = days.listener
LEFT JOIN slopes ON slopes.listener = days.listener
