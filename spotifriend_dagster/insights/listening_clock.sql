/*
description: Listening by weekday and local hour, 168 rows per listener, those without listening included. Listening
  time is of all media and split at the hour; a listen counts in the hour in which it starts. Private plays are left out.
grain: [listener, weekday, local_hour]
columns:
  listener: plays.listener
  weekday: plays.weekday
  local_hour: plays.local_hour
  ms_played: bigint! Listening time of all media within the hour, in milliseconds.
  track_ms_played: bigint! Listening time of tracks within the hour, in milliseconds.
  listens: bigint! Plays of at least 30 s that started in the hour, of any media.
  share: double Share of the listener's listening time; null without any.
  covered_days: bigint! Days of that weekday that a source reaches.
  ms_played_per_day: double ms_played ÷ covered_days; null without one.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH hour_times AS (
    SELECT
        listener,
        weekday,
        local_hour,
        SUM(ms_played) AS ms_played,
        SUM(CASE WHEN media = 'track' THEN ms_played ELSE 0 END) AS track_ms_played
    FROM play_hours
    WHERE is_counted
    GROUP BY listener, weekday, local_hour
),

hour_listens AS (
    SELECT listener, weekday, local_hour, COUNT(*) AS listens
    FROM plays
    WHERE is_counted AND is_listen
    GROUP BY listener, weekday, local_hour
),

weekdays AS (
    SELECT listener, DAY_OF_WEEK(local_date) AS weekday, COUNT(*) AS covered_days
    FROM listening_coverage
    WHERE status <> 'unknown'
    GROUP BY 1, 2
),

hours AS (
    SELECT
        listening_totals.listener AS listener,
        listening_totals.ms_played AS total_ms_played,
        weekday_numbers.weekday AS weekday,
        hour_numbers.local_hour AS local_hour
    FROM listening_totals
    CROSS JOIN UNNEST(SEQUENCE(1, 7)) AS weekday_numbers (weekday)
    CROSS JOIN UNNEST(SEQUENCE(0, 23)) AS hour_numbers (local_hour)
)

SELECT
    hours.listener AS listener,
    hours.weekday AS weekday,
    hours.local_hour AS local_hour,
    COALESCE(hour_times.ms_played, 0) AS ms_played,
    COALESCE(hour_times.track_ms_played, 0) AS track_ms_played,
    COALESCE(hour_listens.listens, 0) AS listens,
    CAST(COALESCE(hour_times.ms_played, 0) AS double) / NULLIF(hours.total_ms_played, 0) AS share,
    COALESCE(weekdays.covered_days, 0) AS covered_days,
    CAST(COALESCE(hour_times.ms_played, 0) AS double) / weekdays.covered_days AS ms_played_per_day,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM hours
LEFT JOIN hour_times
    ON hour_times.listener = hours.listener
    AND hour_times.weekday = hours.weekday
    AND hour_times.local_hour = hours.local_hour
LEFT JOIN hour_listens
    ON hour_listens.listener = hours.listener
    AND hour_listens.weekday = hours.weekday
    AND hour_listens.local_hour = hours.local_hour
LEFT JOIN weekdays
    ON weekdays.listener = hours.listener
    AND weekdays.weekday = hours.weekday
LEFT JOIN listening_totals ON listening_totals.listener = hours.listener
