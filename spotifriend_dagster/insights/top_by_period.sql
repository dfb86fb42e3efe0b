/*
description: The 50 most-played artists, recordings and albums of each month, each year and all time, with how they
  moved since the period before. Tracks only; ranked by listens, then listening time, then the earliest first listen,
  then the id. Deeper places are left out, as they differ by a listen or two; ranks are given before that.
grain: [listener, period_kind, period, entity_kind, rank]
columns:
  listener: plays.listener
  period_kind: string! `all`, `year` or `month`.
  period: string! `all`, `2025` or `2025-03`; the local date of the play decides.
  period_start: date The period's first day; null for `all`.
  entity_kind: string! `artist`, `recording` or `album`.
  rank: bigint! The place, from 1.
  entity_id: string! The artist's name, the recording_id, or the album's artist and title.
  name: string The artist's name, the recording's title or the album's title, as first listened to.
  artist_name: string The primary artist.
  listens: bigint! Plays of at least 30 s within the period.
  listen_share: double! Share of the period's listens that have such an entity.
  ms_played: bigint! Listening time in the period, in milliseconds, shorter plays included.
  first_listen_at: timestamp! When its first listen in the period started, UTC.
  previous_rank: bigint Its place in the month or year before; null where it had none.
  rank_change: bigint previous_rank − rank, positive for a rise; null where it had none.
  is_minimum: boolean! Whether a day of the period is not completely known, so that plays may be missing.
*/
WITH track_plays AS (
    SELECT
        listener,
        DATE_TRUNC('month', local_date) AS month_start,
        artist_name,
        recording_id,
        album_name,
        track_name,
        play_number,
        is_listen,
        started_at,
        ms_played
    FROM plays
    WHERE is_counted AND media = 'track'
),

by_month AS (
    SELECT
        listener,
        month_start,
        'artist' AS entity_kind,
        artist_name AS entity_id,
        artist_name AS name,
        artist_name AS artist_name,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        MIN(started_at) FILTER (WHERE is_listen) AS first_listen_at,
        MIN(play_number) FILTER (WHERE is_listen) AS first_play_number
    FROM track_plays
    WHERE artist_name IS NOT NULL
    GROUP BY listener, month_start, artist_name
    UNION ALL
    SELECT
        listener,
        month_start,
        'recording' AS entity_kind,
        recording_id AS entity_id,
        MIN_BY(track_name, play_number) FILTER (WHERE is_listen) AS name,
        MIN_BY(artist_name, play_number) FILTER (WHERE is_listen) AS artist_name,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        MIN(started_at) FILTER (WHERE is_listen) AS first_listen_at,
        MIN(play_number) FILTER (WHERE is_listen) AS first_play_number
    FROM track_plays
    WHERE recording_id IS NOT NULL
    GROUP BY listener, month_start, recording_id
    UNION ALL
    SELECT
        listener,
        month_start,
        'album' AS entity_kind,
        artist_name || ' / ' || album_name AS entity_id,
        album_name AS name,
        artist_name AS artist_name,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        MIN(started_at) FILTER (WHERE is_listen) AS first_listen_at,
        MIN(play_number) FILTER (WHERE is_listen) AS first_play_number
    FROM track_plays
    WHERE artist_name IS NOT NULL AND album_name IS NOT NULL
    GROUP BY listener, month_start, artist_name, album_name
),

by_year AS (
    SELECT
        listener,
        DATE_TRUNC('year', month_start) AS year_start,
        entity_kind,
        entity_id,
        MIN_BY(name, first_play_number) AS name,
        MIN_BY(artist_name, first_play_number) AS artist_name,
        SUM(listens) AS listens,
        SUM(ms_played) AS ms_played,
        MIN(first_listen_at) AS first_listen_at,
        MIN(first_play_number) AS first_play_number
    FROM by_month
    GROUP BY 1, 2, 3, 4
),

by_period AS (
    SELECT
        listener,
        'month' AS period_kind,
        month_start AS period_start,
        entity_kind,
        entity_id,
        name,
        artist_name,
        listens,
        ms_played,
        first_listen_at
    FROM by_month
    UNION ALL
    SELECT
        listener,
        'year' AS period_kind,
        year_start AS period_start,
        entity_kind,
        entity_id,
        name,
        artist_name,
        listens,
        ms_played,
        first_listen_at
    FROM by_year
    UNION ALL
    SELECT
        listener,
        'all' AS period_kind,
        CAST(NULL AS date) AS period_start,
        entity_kind,
        entity_id,
        MIN_BY(name, first_play_number) AS name,
        MIN_BY(artist_name, first_play_number) AS artist_name,
        SUM(listens) AS listens,
        SUM(ms_played) AS ms_played,
        MIN(first_listen_at) AS first_listen_at
    FROM by_year
    GROUP BY listener, entity_kind, entity_id
),

ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY listener, period_kind, period_start, entity_kind
            ORDER BY listens DESC, ms_played DESC, first_listen_at, entity_id
        ) AS rank,
        SUM(listens) OVER (PARTITION BY listener, period_kind, period_start, entity_kind) AS period_listens
    FROM by_period
    WHERE listens > 0
),

month_coverage AS (
    SELECT listener, DATE_TRUNC('month', local_date) AS month_start, BOOL_OR(is_minimum) AS is_minimum
    FROM listening_coverage
    GROUP BY 1, 2
),

period_coverage AS (
    SELECT listener, 'month' AS period_kind, month_start AS period_start, is_minimum FROM month_coverage
    UNION ALL
    SELECT listener, 'year' AS period_kind, DATE_TRUNC('year', month_start) AS period_start, BOOL_OR(is_minimum) AS is_minimum
    FROM month_coverage
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT listener, 'all' AS period_kind, CAST(NULL AS date) AS period_start, BOOL_OR(is_minimum) AS is_minimum
    FROM month_coverage
    GROUP BY 1, 2, 3
)

SELECT
    ranked.listener AS listener,
    ranked.period_kind AS period_kind,
    CASE ranked.period_kind
        WHEN 'month' THEN DATE_FORMAT(ranked.period_start, '%Y-%m')
        WHEN 'year' THEN DATE_FORMAT(ranked.period_start, '%Y')
        ELSE 'all'
    END AS period,
    ranked.period_start AS period_start,
    ranked.entity_kind AS entity_kind,
    ranked.rank AS rank,
    ranked.entity_id AS entity_id,
    ranked.name AS name,
    ranked.artist_name AS artist_name,
    ranked.listens AS listens,
    CAST(ranked.listens AS double) / ranked.period_listens AS listen_share,
    ranked.ms_played AS ms_played,
    ranked.first_listen_at AS first_listen_at,
    earlier.rank AS previous_rank,
    earlier.rank - ranked.rank AS rank_change,
    COALESCE(period_coverage.is_minimum, TRUE) AS is_minimum
FROM ranked
LEFT JOIN ranked AS earlier
    ON earlier.listener = ranked.listener
    AND earlier.period_kind = ranked.period_kind
    AND earlier.entity_kind = ranked.entity_kind
    AND earlier.entity_id = ranked.entity_id
    AND earlier.period_start = CASE ranked.period_kind
        WHEN 'month' THEN DATE_ADD('month', -1, ranked.period_start)
        WHEN 'year' THEN DATE_ADD('year', -1, ranked.period_start)
    END
LEFT JOIN period_coverage
    ON period_coverage.listener = ranked.listener
    AND period_coverage.period_kind = ranked.period_kind
    AND COALESCE(period_coverage.period_start, DATE '1970-01-01') = COALESCE(ranked.period_start, DATE '1970-01-01')
WHERE ranked.rank <= 50
