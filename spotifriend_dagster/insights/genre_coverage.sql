/*
description: >-
  How far genres reach: of the listening to tracks, the part of which any genre is known, in all, by local month, by
  local hour and by part of the day, and by who says the genres. It decides how far every genre insight can be trusted.
grain: [listener, dimension, value, genre_source]
columns:
  listener: plays.listener
  dimension: string! What the row is about, `all`, `month`, `hour` or `daypart`.
  value: string! "`all`, the local month as `2025-03`, the local hour as `07`, or the part of the day."
  genre_source: string! "Who says the genres, `user`, `spotify` or `musicbrainz`, which are told where they say any;
    `all` for all of them together."
  listens: bigint! Listens of tracks that start in it, the denominator of listen_share.
  genre_listens: bigint! Of these, the listens of which a credited artist has a genre of this source.
  listen_share: double genre_listens ÷ listens, 0 to 1; null without listens.
  ms_played: bigint! Milliseconds of sound of tracks within it, split at its boundaries; short plays included.
  genre_ms_played: bigint! Of these, the milliseconds whose primary artist has a genre of this source.
  ms_played_share: double genre_ms_played ÷ ms_played, the coverage, 0 to 1; null without listening time.
  is_low_coverage: boolean! Whether all sources together cover less than half of the listening time.
  estimated_share: double Share of the listening time that is estimated; null without listening time.
  is_minimum: boolean! Whether plays of the month, or any for what is not a month, may be missing.
*/
WITH genre_artists AS (
    SELECT listener, artist_name, MIN(genre_source) AS genre_source
    FROM artist_genres
    GROUP BY listener, artist_name
),

times AS (
    SELECT
        play_hours.listener AS listener,
        DATE_TRUNC('month', play_hours.local_date) AS month,
        play_hours.local_hour AS local_hour,
        play_hours.daypart AS daypart,
        genre_artists.genre_source AS genre_source,
        SUM(play_hours.ms_played) AS ms_played,
        SUM(CASE WHEN play_hours.ms_played_is_estimate THEN play_hours.ms_played ELSE 0 END) AS estimated_ms
    FROM play_hours
    LEFT JOIN genre_artists
        ON genre_artists.listener = play_hours.listener
        AND genre_artists.artist_name = play_hours.artist_name
    WHERE play_hours.is_counted AND play_hours.media = 'track'
    GROUP BY 1, 2, 3, 4, 5
),

listens AS (
    SELECT listener, DATE_TRUNC('month', local_date) AS month, local_hour, daypart, COUNT(*) AS listens
    FROM plays
    WHERE is_counted AND is_listen AND media = 'track'
    GROUP BY listener, DATE_TRUNC('month', local_date), local_hour, daypart
),

listen_sources AS (
    SELECT listener, play_number, genre_source
    FROM play_genres
    GROUP BY listener, play_number, genre_source
    UNION ALL
    SELECT listener, play_number, 'all' AS genre_source
    FROM play_genres
    GROUP BY listener, play_number
),

genre_listens AS (
    SELECT
        listen_sources.listener AS listener,
        DATE_TRUNC('month', plays.local_date) AS month,
        plays.local_hour AS local_hour,
        plays.daypart AS daypart,
        listen_sources.genre_source AS genre_source,
        COUNT(*) AS genre_listens
    FROM listen_sources
    INNER JOIN plays
        ON plays.listener = listen_sources.listener
        AND plays.play_number = listen_sources.play_number
    GROUP BY 1, 2, 3, 4, 5
),

-- Under no source: what the shares are of. Under `all`: what any source says, with nothing where none does.
cells AS (
    SELECT
        listener,
        month,
        local_hour,
        daypart,
        '' AS genre_source,
        listens,
        0 AS ms_played,
        0 AS estimated_ms
    FROM listens
    UNION ALL
    SELECT listener, month, local_hour, daypart, '' AS genre_source, 0 AS listens, ms_played, estimated_ms FROM times
    UNION ALL
    SELECT
        listener,
        month,
        local_hour,
        daypart,
        'all' AS genre_source,
        0 AS listens,
        CASE WHEN genre_source IS NULL THEN 0 ELSE ms_played END AS ms_played,
        0 AS estimated_ms
    FROM times
    UNION ALL
    SELECT listener, month, local_hour, daypart, genre_source, 0 AS listens, ms_played, 0 AS estimated_ms
    FROM times
    WHERE genre_source IS NOT NULL
    UNION ALL
    SELECT
        listener,
        month,
        local_hour,
        daypart,
        genre_source,
        genre_listens AS listens,
        0 AS ms_played,
        0 AS estimated_ms
    FROM genre_listens
),

sums AS (
    SELECT
        cells.listener AS listener,
        dimensions.dimension AS dimension,
        CASE dimensions.dimension
            WHEN 'month' THEN DATE_FORMAT(cells.month, '%Y-%m')
            WHEN 'hour' THEN LPAD(CAST(cells.local_hour AS varchar), 2, '0')
            WHEN 'daypart' THEN cells.daypart
            ELSE 'all'
        END AS value,
        cells.genre_source AS genre_source,
        SUM(cells.listens) AS listens,
        SUM(cells.ms_played) AS ms_played,
        SUM(cells.estimated_ms) AS estimated_ms
    FROM cells
    CROSS JOIN UNNEST(ARRAY['all', 'month', 'hour', 'daypart']) AS dimensions (dimension)
    GROUP BY 1, 2, 3, 4
),

totals AS (
    SELECT
        *,
        MAX(CASE WHEN genre_source = '' THEN listens END) OVER (PARTITION BY listener, dimension, value)
            AS total_listens,
        MAX(CASE WHEN genre_source = '' THEN ms_played END) OVER (PARTITION BY listener, dimension, value)
            AS total_ms_played,
        MAX(CASE WHEN genre_source = '' THEN estimated_ms END) OVER (PARTITION BY listener, dimension, value)
            AS total_estimated_ms,
        MAX(CASE WHEN genre_source = 'all' THEN ms_played END) OVER (PARTITION BY listener, dimension, value)
            AS covered_ms_played
    FROM sums
),

covered AS (
    SELECT
        listening_coverage.listener AS listener,
        dimensions.dimension AS dimension,
        CASE dimensions.dimension
            WHEN 'month' THEN DATE_FORMAT(listening_coverage.local_date, '%Y-%m')
            ELSE 'all'
        END AS value,
        BOOL_OR(listening_coverage.is_minimum) AS is_minimum
    FROM listening_coverage
    CROSS JOIN UNNEST(ARRAY['all', 'month']) AS dimensions (dimension)
    GROUP BY 1, 2, 3
)

SELECT
    totals.listener AS listener,
    totals.dimension AS dimension,
    totals.value AS value,
    totals.genre_source AS genre_source,
    totals.total_listens AS listens,
    totals.listens AS genre_listens,
    CAST(totals.listens AS double) / NULLIF(totals.total_listens, 0) AS listen_share,
    totals.total_ms_played AS ms_played,
    totals.ms_played AS genre_ms_played,
    CAST(totals.ms_played AS double) / NULLIF(totals.total_ms_played, 0) AS ms_played_share,
    2 * totals.covered_ms_played < totals.total_ms_played AS is_low_coverage,
    CAST(totals.total_estimated_ms AS double) / NULLIF(totals.total_ms_played, 0) AS estimated_share,
    COALESCE(covered.is_minimum, TRUE) AS is_minimum
FROM totals
LEFT JOIN covered
    ON covered.listener = totals.listener
    AND covered.dimension = CASE totals.dimension WHEN 'month' THEN 'month' ELSE 'all' END
    AND covered.value = CASE totals.dimension WHEN 'month' THEN totals.value ELSE 'all' END
WHERE totals.genre_source <> ''
