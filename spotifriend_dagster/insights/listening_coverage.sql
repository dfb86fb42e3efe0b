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
  source: string The richest source that reaches the day, `extended`, `account` or `recent`; null where none does.
  listens: bigint! Plays of at least 30 s that started on it, of any media, private ones left out.
*/
-- A source reaches a stretch of time. The files of one extended export belong together unless more than 30 days lie
-- between two (a file may be missing there); so do the rows of one account export unless more than 14 days do. Polls
-- reach from their oldest play to the last poll; what they may have missed there is in listening_gaps.
WITH spans AS (
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
        MIN(COALESCE(oldest_played_at, pulled_at)) AS starts_at,
        MAX(pulled_at) AS ends_at,
        0 AS silence_days
    FROM recent_pages
    GROUP BY listener
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

-- Instants whose local dates matter: the ends of stretches, and of what is open of gaps between polls.
edges AS (
    SELECT listener, starts_at AS instant FROM stretches
    UNION
    SELECT listener, ends_at AS instant FROM stretches
    UNION
    SELECT listener, open_from AS instant FROM listening_gaps WHERE is_open
    UNION
    SELECT listener, open_until AS instant FROM listening_gaps WHERE is_open
),

dates AS (
    SELECT
        edges.listener AS listener,
        edges.instant AS instant,
        CAST(DATE_ADD('second', COALESCE(clocks.clock_offset, 0), edges.instant) AS date) AS local_date
    FROM edges
    LEFT JOIN clocks
        ON clocks.listener = edges.listener
        AND clocks.valid_from <= edges.instant
        AND clocks.valid_until > edges.instant
),

dated AS (
    SELECT
        stretches.listener AS listener,
        stretches.source AS source,
        stretches.starts_at AS starts_at,
        stretches.ends_at AS ends_at,
        first_day.local_date AS first_date,
        last_day.local_date AS last_date
    FROM stretches
    JOIN dates AS first_day ON first_day.listener = stretches.listener AND first_day.instant = stretches.starts_at
    JOIN dates AS last_day ON last_day.listener = stretches.listener AND last_day.instant = stretches.ends_at
),

-- What lies between the stretches of all sources is unknown; what is open between polls makes their days minimums.
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
        ) AS gap_first_date
    FROM dated
),

interruptions AS (
    SELECT listener, gap_first_date AS first_date, first_date AS last_date
    FROM followed
    WHERE gap_starts_at < starts_at
    UNION ALL
    SELECT
        listening_gaps.listener AS listener,
        first_day.local_date AS first_date,
        last_day.local_date AS last_date
    FROM listening_gaps
    JOIN dates AS first_day
        ON first_day.listener = listening_gaps.listener AND first_day.instant = listening_gaps.open_from
    JOIN dates AS last_day
        ON last_day.listener = listening_gaps.listener AND last_day.instant = listening_gaps.open_until
    WHERE listening_gaps.is_open
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
    SELECT DISTINCT
        interruptions.listener AS listener,
        DATE_ADD('day', days.n, interruptions.first_date) AS local_date
    FROM interruptions
    CROSS JOIN UNNEST(SEQUENCE(0, DATE_DIFF('day', interruptions.first_date, interruptions.last_date))) AS days (n)
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
            WHEN reached.local_date IS NOT NULL THEN 'minimum'
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
