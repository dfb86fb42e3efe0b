/*
description: How the number of sessions depends on the pause that ends one. Counted anew from the plays, so that the 20
  minutes' row must agree with `sessions`.
grain: [listener, gap_minutes]
columns:
  listener: plays.listener
  gap_minutes: int! The longest pause within a session; 20 is the one that `sessions` uses.
  sessions: bigint! Sessions with at least one listen.
  empty_sessions: bigint! Sessions without a listen, which count nowhere.
  median_span_ms: double Median length of the sessions with a listen in milliseconds, pauses included.
  mean_listens: double Mean number of listens in a session with a listen.
  estimated_share: double Share of the listener's listening time that is estimated, as are then lengths of sessions.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH ordered AS (
    SELECT
        listener,
        play_number,
        started_at,
        MAX(ended_at) OVER earlier AS latest_end_before,
        COALESCE(SUM(CASE WHEN is_listen THEN 1 ELSE 0 END) OVER earlier, 0) AS listens_before
    FROM plays
    WHERE is_counted
    WINDOW earlier AS (
        PARTITION BY listener ORDER BY play_number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),

closings AS (
    SELECT listener, MAX(ended_at) AS latest_end, COUNT_IF(is_listen) AS listens
    FROM plays
    WHERE is_counted
    GROUP BY listener
),

-- The first play of each session knows what ended before it; so the next session's first play ends this one.
firsts AS (
    SELECT
        ordered.listener AS listener,
        gaps.gap_minutes AS gap_minutes,
        ordered.play_number AS play_number,
        ordered.started_at AS started_at,
        ordered.latest_end_before AS latest_end_before,
        ordered.listens_before AS listens_before
    FROM ordered
    CROSS JOIN UNNEST(ARRAY[10, 20, 30]) AS gaps (gap_minutes)
    WHERE ordered.latest_end_before IS NULL
        OR ordered.started_at > DATE_ADD('minute', gaps.gap_minutes, ordered.latest_end_before)
),

bounded AS (
    SELECT
        listener,
        gap_minutes,
        play_number,
        started_at,
        listens_before,
        LEAD(latest_end_before) OVER (PARTITION BY listener, gap_minutes ORDER BY play_number) AS ended_at,
        LEAD(listens_before) OVER (PARTITION BY listener, gap_minutes ORDER BY play_number) AS listens_until
    FROM firsts
),

measured AS (
    SELECT
        bounded.listener AS listener,
        bounded.gap_minutes AS gap_minutes,
        bounded.play_number AS play_number,
        DATE_DIFF('millisecond', bounded.started_at, COALESCE(bounded.ended_at, closings.latest_end)) AS span_ms,
        COALESCE(bounded.listens_until, closings.listens) - bounded.listens_before AS listens
    FROM bounded
    INNER JOIN closings ON closings.listener = bounded.listener
),

ranked AS (
    SELECT
        listener,
        gap_minutes,
        span_ms,
        listens,
        ROW_NUMBER() OVER (PARTITION BY listener, gap_minutes, listens > 0 ORDER BY span_ms, play_number) AS place,
        COUNT(*) OVER (PARTITION BY listener, gap_minutes, listens > 0) AS places
    FROM measured
)

-- The median is the mean of the two values in the middle, which are one where their number is odd.
SELECT
    listener,
    gap_minutes,
    COUNT_IF(listens > 0) AS sessions,
    COUNT_IF(listens = 0) AS empty_sessions,
    AVG(
        CASE WHEN listens > 0 AND 2 * place BETWEEN places AND places + 2 THEN CAST(span_ms AS double) END
    ) AS median_span_ms,
    AVG(CASE WHEN listens > 0 THEN CAST(listens AS double) END) AS mean_listens,
    MAX(history_estimated_share) AS estimated_share,
    COALESCE(BOOL_OR(is_history_minimum), TRUE) AS is_minimum
FROM ranked
LEFT JOIN (
    SELECT listener AS of_listener, estimated_share AS history_estimated_share, is_minimum AS is_history_minimum
    FROM listening_totals
) AS history
    ON history.of_listener = ranked.listener
GROUP BY listener, gap_minutes
