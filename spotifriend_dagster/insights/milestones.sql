/*
description: The 1,000th, 10,000th … listen, 100, 1,000 and 10,000 hours, the first streaks of 7, 30, 100 and 365 days,
  and every new most-played artist. Each is dated by the play that reached it; all move when history is completed.
grain: [listener, kind, threshold, play_number]
columns:
  listener: plays.listener
  kind: string! `listens` and `hours` (of all media), `streak_days`, or `top_artist`.
  threshold: bigint! The listens, hours or days reached; for `top_artist`, the artist's listens with which it led.
  play_number: plays.play_number
  reached_at: timestamp! When that play started, UTC.
  local_date: plays.local_date
  media: plays.media
  track_name: plays.track_name
  artist_name: plays.artist_name
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH counted AS (
    SELECT
        listener,
        play_number,
        local_date,
        is_listen,
        ms_played,
        SUM(CASE WHEN is_listen THEN 1 ELSE 0 END) OVER so_far AS listens_so_far,
        SUM(ms_played) OVER so_far AS ms_so_far
    FROM plays
    WHERE is_counted
    WINDOW so_far AS (
        PARTITION BY listener ORDER BY play_number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

listen_milestones AS (
    SELECT listener, 'listens' AS kind, listens_so_far AS threshold, play_number
    FROM counted
    WHERE is_listen AND listens_so_far IN (1000, 10000, 100000, 1000000)
),

hour_milestones AS (
    SELECT counted.listener AS listener, 'hours' AS kind, thresholds.hours AS threshold, counted.play_number AS play_number
    FROM counted
    CROSS JOIN UNNEST(ARRAY[CAST(100 AS bigint), CAST(1000 AS bigint), CAST(10000 AS bigint)]) AS thresholds (hours)
    WHERE counted.ms_so_far >= thresholds.hours * 3600000
        AND counted.ms_so_far - counted.ms_played < thresholds.hours * 3600000
),

first_streaks AS (
    SELECT
        streaks.listener AS listener,
        thresholds.days AS days,
        MIN(DATE_ADD('day', thresholds.days - 1, streaks.first_date)) AS local_date
    FROM streaks
    CROSS JOIN UNNEST(ARRAY[7, 30, 100, 365]) AS thresholds (days)
    WHERE streaks.days >= thresholds.days
    GROUP BY 1, 2
),

streak_milestones AS (
    SELECT
        first_streaks.listener AS listener,
        'streak_days' AS kind,
        first_streaks.days AS threshold,
        MIN(counted.play_number) AS play_number
    FROM first_streaks
    INNER JOIN counted
        ON counted.listener = first_streaks.listener
        AND counted.local_date = first_streaks.local_date
        AND counted.is_listen
    GROUP BY 1, 2, 3
),

-- Who leads is ranked as everything is: by listens, then listening time, then the earliest first listen, then the name.
artist_places AS (
    SELECT
        listener,
        artist_name,
        ROW_NUMBER() OVER (PARTITION BY listener ORDER BY MIN(started_at), artist_name) AS place
    FROM plays
    WHERE is_counted AND media = 'track' AND is_listen AND artist_name IS NOT NULL
    GROUP BY listener, artist_name
),

standings AS (
    SELECT
        plays.listener AS listener,
        plays.play_number AS play_number,
        artist_places.place AS place,
        SUM(CASE WHEN plays.is_listen THEN 1 ELSE 0 END) OVER so_far AS listens,
        SUM(plays.ms_played) OVER so_far AS ms_played
    FROM plays
    INNER JOIN artist_places
        ON artist_places.listener = plays.listener
        AND artist_places.artist_name = plays.artist_name
    WHERE plays.is_counted AND plays.media = 'track'
    WINDOW so_far AS (
        PARTITION BY plays.listener, artist_places.place
        ORDER BY plays.play_number
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

compared AS (
    SELECT
        *,
        MAX(listens) OVER (
            PARTITION BY listener ORDER BY play_number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS most_listens
    FROM standings
),

-- Among artists of equal listens, time and place decide, in one number: a listener has fewer than a million artists.
contenders AS (
    SELECT
        listener,
        play_number,
        place,
        listens,
        ms_played * 1000000 - place AS strength,
        MAX(ms_played * 1000000 - place) OVER (
            PARTITION BY listener, listens
            ORDER BY play_number
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS greatest_strength
    FROM compared
    WHERE listens = most_listens AND listens > 0
),

leaders AS (
    SELECT
        listener,
        play_number,
        place,
        listens,
        LAG(place) OVER (PARTITION BY listener ORDER BY play_number) AS leader_before
    FROM contenders
    WHERE strength = greatest_strength
),

reached AS (
    SELECT listener, kind, threshold, play_number FROM listen_milestones
    UNION ALL
    SELECT listener, kind, threshold, play_number FROM hour_milestones
    UNION ALL
    SELECT listener, kind, threshold, play_number FROM streak_milestones
    UNION ALL
    SELECT listener, 'top_artist' AS kind, listens AS threshold, play_number
    FROM leaders
    WHERE leader_before IS NULL OR leader_before <> place
)

SELECT
    reached.listener AS listener,
    reached.kind AS kind,
    reached.threshold AS threshold,
    reached.play_number AS play_number,
    plays.started_at AS reached_at,
    plays.local_date AS local_date,
    plays.media AS media,
    plays.track_name AS track_name,
    plays.artist_name AS artist_name,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM reached
INNER JOIN plays
    ON plays.listener = reached.listener
    AND plays.play_number = reached.play_number
LEFT JOIN listening_totals ON listening_totals.listener = reached.listener
