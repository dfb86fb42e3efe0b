/*
description: Per UTC day, how well the pipeline worked for a listener, and what became of the rows that it collected. A
  day without a row had neither a run nor a poll.
grain: [listener, day]
columns:
  listener: pipeline_health.listener!
  day: date! The UTC day on which runs ended, and of collection.
  runs: bigint! Runs that ended.
  failed_runs: bigint! Of them, those that failed.
  poll_hours: bigint! Hours, of 24, in which a poll of theirs was answered, whoever asked.
  seconds: double! How long all runs took together.
  api_calls: bigint! Calls of Spotify's Web API for this listener.
  collected_rows: bigint! Rows that came from outside for this listener.
  checks: bigint! Checks that were made.
  checks_warned: bigint! Of them, those that did not pass, and warn.
  checks_failed: bigint! Of them, those that did not pass, as errors.
  polled_rows: bigint! Plays that the polls of the day told, as often as they did.
  kept_rows: bigint! Of them, those that became a play.
  rejected_rows: bigint! Of them, those that could not be read.
  unaccounted_rows: bigint! Of them, those of which nobody knows what became; 0, or something is wrong.
*/
WITH worked AS (
    SELECT
        listener,
        CAST(ended_at AS DATE) AS day,
        COUNT(*) AS runs,
        COUNT_IF(outcome = 'failure') AS failed_runs,
        SUM(seconds) AS seconds,
        SUM(api_calls) AS api_calls,
        SUM(rows_in) AS collected_rows,
        SUM(checks_passed + checks_warned + checks_failed) AS checks,
        SUM(checks_warned) AS checks_warned,
        SUM(checks_failed) AS checks_failed
    FROM pipeline_health
    GROUP BY listener, CAST(ended_at AS DATE)
),

polled AS (
    SELECT listener, CAST(pulled_at AS DATE) AS day, COUNT(DISTINCT HOUR(pulled_at)) AS poll_hours
    FROM recent_pages
    GROUP BY listener, CAST(pulled_at AS DATE)
),

received AS (
    SELECT
        listener,
        TRY_CAST(origin AS DATE) AS day,
        SUM(input_rows) AS polled_rows,
        SUM(kept_rows) AS kept_rows,
        SUM(rejected_rows) AS rejected_rows,
        SUM(unaccounted_rows) AS unaccounted_rows
    FROM row_accounting
    WHERE source = 'recent'
    GROUP BY listener, TRY_CAST(origin AS DATE)
),

days AS (
    SELECT listener, day FROM worked
    UNION
    SELECT listener, day FROM polled
    UNION
    SELECT listener, day FROM received WHERE day IS NOT NULL
)

SELECT
    days.listener,
    days.day,
    COALESCE(worked.runs, 0) AS runs,
    COALESCE(worked.failed_runs, 0) AS failed_runs,
    COALESCE(polled.poll_hours, 0) AS poll_hours,
    COALESCE(worked.seconds, 0E0) AS seconds,
    COALESCE(worked.api_calls, 0) AS api_calls,
    COALESCE(worked.collected_rows, 0) AS collected_rows,
    COALESCE(worked.checks, 0) AS checks,
    COALESCE(worked.checks_warned, 0) AS checks_warned,
    COALESCE(worked.checks_failed, 0) AS checks_failed,
    COALESCE(received.polled_rows, 0) AS polled_rows,
    COALESCE(received.kept_rows, 0) AS kept_rows,
    COALESCE(received.rejected_rows, 0) AS rejected_rows,
    COALESCE(received.unaccounted_rows, 0) AS unaccounted_rows
FROM days
LEFT JOIN worked ON worked.listener = days.listener AND worked.day = days.day
LEFT JOIN polled ON polled.listener = days.listener AND polled.day = days.day
LEFT JOIN received ON received.listener = days.listener AND received.day = days.day
