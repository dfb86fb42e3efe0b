/*
description: >-
  Spotify's latest tops against the listener's own counts over the same window: how many of the first 10 and 50 both name,
  and how alike the two orders are. The window is of whole local dates that end before the day of collection: 28 for
  `short_term`, 183 for `medium_term` and 365 for `long_term`, as Spotify says no more than about 4 weeks, 6 months and a
  year. Own tops are ranked by listens, listening time, earliest listen, id. A track is compared as its recording. Where
  one of the tops is shorter than 10 or 50, both are compared as far as it goes.
grain: [listener, entity_kind, time_range]
columns:
  listener: plays.listener
  entity_kind: spotify_rank_movement.entity_kind
  time_range: spotify_rank_movement.time_range
  collected_on: spotify_rank_movement.collected_on
  window_start: date! The first local date of the window, which ends on the day before collected_on.
  window_days: bigint! Local dates in the window.
  complete_days: bigint! Of these, the days whose listening is completely known.
  spotify_entities: bigint! How many Spotify ranks, 50 at most.
  own_entities: bigint! How many of the listener's own are ranked, 50 at most.
  common_10: bigint! How many are in the first 10 of both.
  overlap_10: double common_10 ÷ 10, or ÷ the length of the shorter top where that is less, 0 to 1; null where one is
    empty.
  common_50: bigint! How many are in the first 50 of both.
  overlap_50: double common_50 ÷ 50, or ÷ the length of the shorter top where that is less, 0 to 1; null where one is
    empty.
  rank_biased_overlap: double Rank-biased overlap, extrapolated, of the two tops to the length of the shorter, with p =
    0.9; 1 where they are the same, 0 where nothing is common; null where one is empty.
  is_minimum: boolean! Whether plays of the window may be missing.
*/
WITH tops AS (
    SELECT
        listener,
        entity_kind,
        time_range,
        collected_on,
        CASE time_range WHEN 'short_term' THEN 28 WHEN 'medium_term' THEN 183 ELSE 365 END AS window_days,
        CASE entity_kind WHEN 'artist' THEN name ELSE entity_id END AS entity_id,
        rank
    FROM spotify_rank_movement
    WHERE is_latest AND rank IS NOT NULL
),

-- Releases of one recording are one entity, at the best of their places.
entities AS (
    SELECT
        tops.listener AS listener,
        tops.entity_kind AS entity_kind,
        tops.time_range AS time_range,
        COALESCE(snapshot_track_listening.recording_id, tops.entity_id) AS entity_id,
        MIN(tops.rank) AS rank
    FROM tops
    LEFT JOIN snapshot_track_listening
        ON snapshot_track_listening.listener = tops.listener
        AND snapshot_track_listening.track_uri = tops.entity_id
        AND tops.entity_kind = 'track'
    GROUP BY 1, 2, 3, 4
),

spotify_ranks AS (
    SELECT
        listener,
        entity_kind,
        time_range,
        entity_id,
        ROW_NUMBER() OVER (PARTITION BY listener, entity_kind, time_range ORDER BY rank) AS place
    FROM entities
),

windows AS (
    SELECT DISTINCT
        listener,
        entity_kind,
        time_range,
        collected_on,
        DATE_ADD('day', -window_days, collected_on) AS window_start,
        window_days
    FROM tops
),

days AS (
    SELECT
        windows.listener AS listener,
        windows.entity_kind AS entity_kind,
        windows.time_range AS time_range,
        COUNT(*) AS complete_days
    FROM windows
    INNER JOIN listening_coverage
        ON listening_coverage.listener = windows.listener
        AND listening_coverage.local_date >= windows.window_start
        AND listening_coverage.local_date < windows.collected_on
    WHERE NOT listening_coverage.is_minimum
    GROUP BY windows.listener, windows.entity_kind, windows.time_range
),

own_counts AS (
    SELECT
        windows.listener AS listener,
        windows.entity_kind AS entity_kind,
        windows.time_range AS time_range,
        CASE windows.entity_kind WHEN 'artist' THEN plays.artist_name ELSE plays.recording_id END AS entity_id,
        COUNT_IF(plays.is_listen) AS listens,
        SUM(plays.ms_played) AS ms_played,
        MIN(CASE WHEN plays.is_listen THEN plays.started_at END) AS first_listen_at
    FROM plays
    INNER JOIN windows
        ON windows.listener = plays.listener
        AND plays.local_date >= windows.window_start
        AND plays.local_date < windows.collected_on
    WHERE plays.is_counted AND plays.media = 'track'
    GROUP BY 1, 2, 3, 4
),

own_places AS (
    SELECT
        listener,
        entity_kind,
        time_range,
        entity_id,
        ROW_NUMBER() OVER (
            PARTITION BY listener, entity_kind, time_range
            ORDER BY listens DESC, ms_played DESC, first_listen_at, entity_id
        ) AS place
    FROM own_counts
    WHERE entity_id IS NOT NULL AND listens > 0
),

own_ranks AS (
    SELECT *
    FROM own_places
    WHERE place <= 50
),

lengths AS (
    SELECT
        windows.listener AS listener,
        windows.entity_kind AS entity_kind,
        windows.time_range AS time_range,
        COALESCE(MAX(spotify.places), 0) AS spotify_entities,
        COALESCE(MAX(own.places), 0) AS own_entities
    FROM windows
    LEFT JOIN (
        SELECT listener, entity_kind, time_range, MAX(place) AS places
        FROM spotify_ranks
        GROUP BY listener, entity_kind, time_range
    ) AS spotify
        ON spotify.listener = windows.listener
        AND spotify.entity_kind = windows.entity_kind
        AND spotify.time_range = windows.time_range
    LEFT JOIN (
        SELECT listener, entity_kind, time_range, MAX(place) AS places
        FROM own_ranks
        GROUP BY listener, entity_kind, time_range
    ) AS own
        ON own.listener = windows.listener
        AND own.entity_kind = windows.entity_kind
        AND own.time_range = windows.time_range
    GROUP BY windows.listener, windows.entity_kind, windows.time_range
),

-- What is common at a depth are the entities whose lower place is not below it.
common AS (
    SELECT
        spotify_ranks.listener AS listener,
        spotify_ranks.entity_kind AS entity_kind,
        spotify_ranks.time_range AS time_range,
        GREATEST(spotify_ranks.place, own_ranks.place) AS place
    FROM spotify_ranks
    INNER JOIN own_ranks
        ON own_ranks.listener = spotify_ranks.listener
        AND own_ranks.entity_kind = spotify_ranks.entity_kind
        AND own_ranks.time_range = spotify_ranks.time_range
        AND own_ranks.entity_id = spotify_ranks.entity_id
),

depths AS (
    SELECT
        lengths.listener AS listener,
        lengths.entity_kind AS entity_kind,
        lengths.time_range AS time_range,
        steps.depth AS depth,
        COUNT(common.place) AS found
    FROM lengths
    CROSS JOIN UNNEST(SEQUENCE(1, 50)) AS steps (depth)
    LEFT JOIN common
        ON common.listener = lengths.listener
        AND common.entity_kind = lengths.entity_kind
        AND common.time_range = lengths.time_range
        AND common.place <= steps.depth
    WHERE steps.depth <= LEAST(lengths.spotify_entities, lengths.own_entities)
    GROUP BY 1, 2, 3, 4
),

agreements AS (
    SELECT
        listener,
        entity_kind,
        time_range,
        MAX(depth) AS depth,
        MAX(CASE WHEN depth <= 10 THEN found ELSE 0 END) AS common_10,
        MAX(found) AS common_50,
        SUM(CAST(found AS double) / depth * POWER(0.9E0, depth)) / 9 AS expected_overlap
    FROM depths
    GROUP BY listener, entity_kind, time_range
)

SELECT
    windows.listener AS listener,
    windows.entity_kind AS entity_kind,
    windows.time_range AS time_range,
    windows.collected_on AS collected_on,
    windows.window_start AS window_start,
    windows.window_days AS window_days,
    COALESCE(days.complete_days, 0) AS complete_days,
    lengths.spotify_entities AS spotify_entities,
    lengths.own_entities AS own_entities,
    COALESCE(agreements.common_10, 0) AS common_10,
    CAST(agreements.common_10 AS double) / LEAST(agreements.depth, 10) AS overlap_10,
    COALESCE(agreements.common_50, 0) AS common_50,
    CAST(agreements.common_50 AS double) / agreements.depth AS overlap_50,
    CAST(agreements.common_50 AS double) / agreements.depth * POWER(0.9E0, agreements.depth)
        + agreements.expected_overlap AS rank_biased_overlap,
    COALESCE(days.complete_days, 0) < windows.window_days AS is_minimum
FROM windows
INNER JOIN lengths
    ON lengths.listener = windows.listener
    AND lengths.entity_kind = windows.entity_kind
    AND lengths.time_range = windows.time_range
LEFT JOIN days
    ON days.listener = windows.listener
    AND days.entity_kind = windows.entity_kind
    AND days.time_range = windows.time_range
LEFT JOIN agreements
    ON agreements.listener = windows.listener
    AND agreements.entity_kind = windows.entity_kind
    AND agreements.time_range = windows.time_range
