/*
description: What sessions are like, in one row per dimension and value. Lengths are over the sessions that have the
  value; plays and skips are over the plays in these sessions or, by position, at it. Sessions without a listen count
  nowhere, and a value that no session has has no row.
grain: [listener, dimension, value]
columns:
  listener: plays.listener
  dimension: string! `all`, `start_hour` (the local hour in which the session starts) or `position` (of a play in it).
  value: string! `all`; the hour, `00` to `23`; or the position, `1`, `2-5`, `6-10` or `11+`.
  sessions: bigint! Sessions that have the value; by position, those that are long enough to reach it.
  session_share: double! Share of the listener's sessions.
  median_span_ms: double Median length in milliseconds, from start to end, pauses included; null by position.
  p90_span_ms: double 90th percentile of the length, interpolated between the two nearest; null by position.
  median_ms_played: double Median of the listening time in a session in milliseconds; null by position.
  plays: bigint! Plays, of any media.
  listens: bigint! Plays of at least 30 s.
  ms_played: bigint! Listening time in milliseconds.
  skips: bigint! Skips of tracks.
  skippable_plays: bigint! Plays of tracks for which the skip rule can be decided.
  skip_rate: double skips ÷ skippable_plays; null where none can be decided.
  estimated_share: double Share of the listener's listening time that is estimated, as are then lengths of sessions.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH valued AS (
    SELECT
        listener,
        session_number,
        'all' AS dimension,
        'all' AS value,
        span_ms,
        ms_played,
        plays,
        listens,
        skips,
        skippable_plays
    FROM sessions
    UNION ALL
    SELECT
        listener,
        session_number,
        'start_hour' AS dimension,
        LPAD(CAST(local_hour AS varchar), 2, '0') AS value,
        span_ms,
        ms_played,
        plays,
        listens,
        skips,
        skippable_plays
    FROM sessions
),

ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY listener, dimension, value ORDER BY span_ms, session_number) - 1 AS spans_below,
        ROW_NUMBER() OVER (PARTITION BY listener, dimension, value ORDER BY ms_played, session_number) - 1 AS times_below,
        COUNT(*) OVER (PARTITION BY listener, dimension, value) - 1 AS others
    FROM valued
),

-- A percentile lies between two neighbours in the order of sizes and is weighted towards the nearer. With n others,
-- the median has n / 2 of them below it, and the 90th percentile 9 n / 10; in halves and tenths all weights are whole.
by_session AS (
    SELECT
        listener,
        dimension,
        value,
        COUNT(*) AS sessions,
        CAST(SUM(span_ms * GREATEST(0, 2 - ABS(2 * spans_below - others))) AS double) / 2 AS median_span_ms,
        CAST(SUM(span_ms * GREATEST(0, 10 - ABS(10 * spans_below - 9 * others))) AS double) / 10 AS p90_span_ms,
        CAST(SUM(ms_played * GREATEST(0, 2 - ABS(2 * times_below - others))) AS double) / 2 AS median_ms_played,
        SUM(plays) AS plays,
        SUM(listens) AS listens,
        SUM(ms_played) AS ms_played,
        SUM(skips) AS skips,
        SUM(skippable_plays) AS skippable_plays
    FROM ranked
    GROUP BY listener, dimension, value
),

placed AS (
    SELECT
        plays.listener AS listener,
        CASE
            WHEN plays.session_position = 1 THEN '1'
            WHEN plays.session_position <= 5 THEN '2-5'
            WHEN plays.session_position <= 10 THEN '6-10'
            ELSE '11+'
        END AS value,
        plays.session_position IN (1, 2, 6, 11) AS is_reached,
        plays.is_listen AS is_listen,
        plays.ms_played AS ms_played,
        CASE WHEN plays.media = 'track' THEN plays.is_skip END AS is_skip
    FROM plays
    INNER JOIN sessions
        ON sessions.listener = plays.listener
        AND sessions.session_number = plays.session_number
),

by_position AS (
    SELECT
        listener,
        'position' AS dimension,
        value,
        COUNT_IF(is_reached) AS sessions,
        COUNT(*) AS plays,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        COUNT_IF(is_skip) AS skips,
        COUNT(is_skip) AS skippable_plays
    FROM placed
    GROUP BY listener, value
),

figures AS (
    SELECT
        listener,
        dimension,
        value,
        sessions,
        median_span_ms,
        p90_span_ms,
        median_ms_played,
        plays,
        listens,
        ms_played,
        skips,
        skippable_plays
    FROM by_session
    UNION ALL
    SELECT
        listener,
        dimension,
        value,
        sessions,
        CAST(NULL AS double) AS median_span_ms,
        CAST(NULL AS double) AS p90_span_ms,
        CAST(NULL AS double) AS median_ms_played,
        plays,
        listens,
        ms_played,
        skips,
        skippable_plays
    FROM by_position
)

SELECT
    figures.listener AS listener,
    figures.dimension AS dimension,
    figures.value AS value,
    figures.sessions AS sessions,
    CAST(figures.sessions AS double) / totals.sessions AS session_share,
    figures.median_span_ms AS median_span_ms,
    figures.p90_span_ms AS p90_span_ms,
    figures.median_ms_played AS median_ms_played,
    figures.plays AS plays,
    figures.listens AS listens,
    figures.ms_played AS ms_played,
    figures.skips AS skips,
    figures.skippable_plays AS skippable_plays,
    CAST(figures.skips AS double) / NULLIF(figures.skippable_plays, 0) AS skip_rate,
    listening_totals.estimated_share AS estimated_share,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM figures
INNER JOIN (SELECT listener, COUNT(*) AS sessions FROM sessions GROUP BY listener) AS totals
    ON totals.listener = figures.listener
LEFT JOIN listening_totals ON listening_totals.listener = figures.listener
