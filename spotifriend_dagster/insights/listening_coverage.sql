/*
description: How much of each calendar day is known, from the first to the last day of coverage. A day that no figure of
  it can be believed about is `unknown`; one that may have had more listening than is known is `minimum`.
grain: [listener, local_date]
columns:
  listener: plays.listener
  local_date: plays.local_date
  status: string! `complete` (an export, or polls without a gap, reach it), `minimum` (plays of it may be missing) or
    `unknown` (no source reaches it, or it lies in a long silence of an account-data export).
  is_minimum: boolean! Whether the day's figures are only the least that was, which they are unless it is complete.
  source: string The richest source that reaches the day, `extended`, `account` or `recent`; null where it is unknown.
  listens: bigint! Plays of at least 30 s that started on it, of any media, private ones left out.
*/
-- A source reaches a stretch of time. The files of one extended export belong together unless more than 30 days lie
-- between two (a file may be missing there); so do the rows of one account export unless more than 14 days do. A poll's
-- page reaches from its oldest to its newest play, from the newest play before it where it holds fewer than the 50 plays
-- that Spotify keeps, and to the poll itself where it is the last.
WITH pages AS (
    SELECT
        listener,
        pulled_at,
        rows,
        oldest_played_at,
        newest_played_at,
        MAX(newest_played_at) OVER (
            PARTITION BY listener ORDER BY pulled_at, page ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS newest_before,
        LEAD(pulled_at) OVER (PARTITION BY listener ORDER BY pulled_at, page) AS next_pulled_at
    FROM recent_pages
),

spans AS (
    SELECT listener, source, export, first_ts AS starts_at, last_ts AS ends_at, 30 AS silence_days
    FROM history_files
    WHERE source = 'extended' AND first_ts IS NOT NULL
    UNION ALL
    SELECT listener, source, export, ts AS starts_at, ts AS ends_at, 14 AS silence_days
    FROM history_plays
    WHERE source = 'account'
    UNION ALL
    SELECT
        listener,
        'recent' AS source,
        '' AS export,
        CASE
            WHEN rows < 50 THEN COALESCE(newest_before, oldest_played_at, pulled_at)
            ELSE COALESCE(oldest_played_at, pulled_at)
        END AS starts_at,
        CASE
            WHEN next_pulled_at IS NULL THEN pulled_at
            ELSE COALESCE(newest_played_at, newest_before, pulled_at)
        END AS ends_at,
        0 AS silence_days
    FROM pages
),

preceded AS (
    SELECT
        *,
        MAX(ends_at) OVER (
            PARTITION BY listener, source, export
            ORDER BY starts_at, ends_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS latest_end_before
    FROM spans
),

numbered AS (
    SELECT
        *,
        SUM(CASE WHEN starts_at <= DATE_ADD('day', silence_days, latest_end_before) THEN 0 ELSE 1 END) OVER (
            PARTITION BY listener, source, export
            ORDER BY starts_at, ends_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
    FROM preceded
),

stretches AS (
    SELECT listener, source, export, stretch, MIN(starts_at) AS starts_at, MAX(ends_at) AS ends_at
    FROM numbered
    GROUP BY listener, source, export, stretch
),

-- The listener's clock: how far it was from UTC, from the first play of the day on which that changed.
day_clocks AS (
    SELECT
        listener,
        local_date,
        MIN(started_at) AS started_at,
        MIN_BY(DATE_DIFF('second', started_at, local_started_at), play_number) AS clock_offset
    FROM plays
    GROUP BY listener, local_date
),

clock_changes AS (
    SELECT
        *,
        LAG(started_at) OVER (PARTITION BY listener ORDER BY local_date) AS started_before,
        LAG(clock_offset) OVER (PARTITION BY listener ORDER BY local_date) AS offset_before
    FROM day_clocks
),

clocks AS (
    SELECT
        listener,
        clock_offset,
        CASE WHEN started_before IS NULL THEN TIMESTAMP '1970-01-01 00:00:00' ELSE started_at END AS valid_from,
        LEAD(started_at, 1, TIMESTAMP '9999-01-01 00:00:00') OVER (
            PARTITION BY listener ORDER BY local_date
        ) AS valid_until
    FROM clock_changes
    WHERE offset_before IS NULL OR offset_before <> clock_offset
),

dated AS (
    SELECT
        stretches.listener AS listener,
        stretches.source AS source,
        stretches.starts_at AS starts_at,
        stretches.ends_at AS ends_at,
        CAST(DATE_ADD('second', COALESCE(first_clock.clock_offset, 0), stretches.starts_at) AS date) AS first_date,
        CAST(DATE_ADD('second', COALESCE(last_clock.clock_offset, 0), stretches.ends_at) AS date) AS last_date
    FROM stretches
    LEFT JOIN clocks AS first_clock
        ON first_clock.listener = stretches.listener
        AND first_clock.valid_from <= stretches.starts_at
        AND first_clock.valid_until > stretches.starts_at
    LEFT JOIN clocks AS last_clock
        ON last_clock.listener = stretches.listener
        AND last_clock.valid_from <= stretches.ends_at
        AND last_clock.valid_until > stretches.ends_at
),

-- What lies between the stretches of all sources is a gap. One since the polls began is a gap between polls.
followed AS (
    SELECT
        listener,
        starts_at,
        first_date,
        MAX(ends_at) OVER (
            PARTITION BY listener
            ORDER BY starts_at, ends_at, source
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS gap_starts_at,
        MAX(last_date) OVER (
            PARTITION BY listener
            ORDER BY starts_at, ends_at, source
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS gap_first_date,
        MIN(CASE WHEN source = 'recent' THEN starts_at END) OVER (PARTITION BY listener) AS polled_from
    FROM dated
),

gaps AS (
    SELECT
        listener,
        gap_first_date AS first_date,
        first_date AS last_date,
        COALESCE(gap_starts_at >= polled_from, FALSE) AS is_between_polls
    FROM followed
    WHERE gap_starts_at < starts_at
),

reached AS (
    SELECT
        dated.listener AS listener,
        DATE_ADD('day', days.n, dated.first_date) AS local_date,
        MIN(CASE dated.source WHEN 'extended' THEN 1 WHEN 'account' THEN 2 ELSE 3 END) AS source_rank
    FROM dated
    CROSS JOIN UNNEST(SEQUENCE(0, DATE_DIFF('day', dated.first_date, dated.last_date))) AS days (n)
    GROUP BY 1, 2
),

missed AS (
    SELECT
        gaps.listener AS listener,
        DATE_ADD('day', days.n, gaps.first_date) AS local_date,
        BOOL_OR(gaps.is_between_polls) AS is_between_polls
    FROM gaps
    CROSS JOIN UNNEST(SEQUENCE(0, DATE_DIFF('day', gaps.first_date, gaps.last_date))) AS days (n)
    GROUP BY 1, 2
),

-- A play may start on a day before its source's first time stamp, which is its end.
day_listens AS (
    SELECT listener, local_date, COUNT_IF(is_listen) AS listens
    FROM plays
    WHERE is_counted
    GROUP BY listener, local_date
),

bounds AS (
    SELECT listener, MIN(local_date) AS first_date, MAX(local_date) AS last_date
    FROM (
        SELECT listener, local_date FROM reached
        UNION ALL
        SELECT listener, local_date FROM day_listens
        UNION ALL
        SELECT listener, local_date FROM play_hours WHERE is_counted
    ) AS known_days
    GROUP BY listener
),

calendar AS (
    SELECT bounds.listener AS listener, DATE_ADD('day', days.n, bounds.first_date) AS local_date
    FROM bounds
    CROSS JOIN UNNEST(SEQUENCE(0, DATE_DIFF('day', bounds.first_date, bounds.last_date))) AS days (n)
),

judged AS (
    SELECT
        calendar.listener AS listener,
        calendar.local_date AS local_date,
        CASE
            WHEN reached.local_date IS NOT NULL AND missed.local_date IS NULL THEN 'complete'
            WHEN reached.local_date IS NOT NULL OR missed.is_between_polls THEN 'minimum'
            ELSE 'unknown'
        END AS status,
        CASE reached.source_rank WHEN 1 THEN 'extended' WHEN 2 THEN 'account' WHEN 3 THEN 'recent' END AS source,
        COALESCE(day_listens.listens, 0) AS listens
    FROM calendar
    LEFT JOIN reached ON reached.listener = calendar.listener AND reached.local_date = calendar.local_date
    LEFT JOIN missed ON missed.listener = calendar.listener AND missed.local_date = calendar.local_date
    LEFT JOIN day_listens
        ON day_listens.listener = calendar.listener
        AND day_listens.local_date = calendar.local_date
)

SELECT
    listener,
    local_date,
    status,
    status <> 'complete' AS is_minimum,
    source,
    listens
FROM judged
