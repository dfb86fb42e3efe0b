/*
description: >-
  How Spotify's own tops move: every stored snapshot of the listener's top tracks and artists, each compared with the
  stored snapshot before it. One row for each track or artist that is in a snapshot, and one for each that has left it
  since the one before. Spotify ranks 50, so that to leave is to fall below that.
grain: [listener, entity_kind, time_range, collected_on, entity_id]
columns:
  listener: plays.listener
  entity_kind: string! `track` or `artist`.
  time_range: top_tracks.time_range
  collected_on: top_tracks.collected_on
  entity_id: string! Spotify's URI of the track, or its id of the artist.
  name: string The track's title, or the artist's name.
  artist_name: string The primary artist.
  rank: int The place in the snapshot, from 1; null for what has left.
  previous_collected_on: date The day of collection of the snapshot before; null for the first.
  previous_rank: int The place in the snapshot before; null where it was not in it.
  rank_change: int previous_rank − rank, positive for a rise; null where it is not in both.
  movement: string! "`up`, `down` or `same` in both; `entered` or `left` in one of them; `first` in the first snapshot."
  is_latest: boolean! Whether the snapshot is the latest one of its range.
*/
WITH ranks AS (
    SELECT
        listener,
        'track' AS entity_kind,
        time_range,
        collected_on,
        track_uri AS entity_id,
        MIN_BY(track_name, rank) AS name,
        MIN_BY(artist_name, rank) AS artist_name,
        MIN(rank) AS rank
    FROM top_tracks
    GROUP BY listener, time_range, collected_on, track_uri
    UNION ALL
    SELECT
        listener,
        'artist' AS entity_kind,
        time_range,
        collected_on,
        artist_id AS entity_id,
        MIN_BY(artist_name, rank) AS name,
        MIN_BY(artist_name, rank) AS artist_name,
        MIN(rank) AS rank
    FROM top_artists
    GROUP BY listener, time_range, collected_on, artist_id
),

days AS (
    SELECT DISTINCT listener, entity_kind, time_range, collected_on
    FROM ranks
),

snapshots AS (
    SELECT
        *,
        LAG(collected_on) OVER (PARTITION BY listener, entity_kind, time_range ORDER BY collected_on)
            AS previous_collected_on,
        LEAD(collected_on) OVER (PARTITION BY listener, entity_kind, time_range ORDER BY collected_on)
            AS next_collected_on
    FROM days
),

-- A place in its snapshot, and as the place before of the next.
told AS (
    SELECT
        listener,
        entity_kind,
        time_range,
        collected_on,
        entity_id,
        name,
        artist_name,
        rank,
        CAST(NULL AS integer) AS previous_rank
    FROM ranks
    UNION ALL
    SELECT
        ranks.listener AS listener,
        ranks.entity_kind AS entity_kind,
        ranks.time_range AS time_range,
        snapshots.next_collected_on AS collected_on,
        ranks.entity_id AS entity_id,
        ranks.name AS name,
        ranks.artist_name AS artist_name,
        CAST(NULL AS integer) AS rank,
        ranks.rank AS previous_rank
    FROM ranks
    INNER JOIN snapshots
        ON snapshots.listener = ranks.listener
        AND snapshots.entity_kind = ranks.entity_kind
        AND snapshots.time_range = ranks.time_range
        AND snapshots.collected_on = ranks.collected_on
    WHERE snapshots.next_collected_on IS NOT NULL
),

compared AS (
    SELECT
        listener,
        entity_kind,
        time_range,
        collected_on,
        entity_id,
        MIN_BY(name, COALESCE(rank, 99)) AS name,
        MIN_BY(artist_name, COALESCE(rank, 99)) AS artist_name,
        MAX(rank) AS rank,
        MAX(previous_rank) AS previous_rank
    FROM told
    GROUP BY listener, entity_kind, time_range, collected_on, entity_id
)

SELECT
    compared.listener AS listener,
    compared.entity_kind AS entity_kind,
    compared.time_range AS time_range,
    compared.collected_on AS collected_on,
    compared.entity_id AS entity_id,
    compared.name AS name,
    compared.artist_name AS artist_name,
    compared.rank AS rank,
    snapshots.previous_collected_on AS previous_collected_on,
    compared.previous_rank AS previous_rank,
    compared.previous_rank - compared.rank AS rank_change,
    CASE
        WHEN snapshots.previous_collected_on IS NULL THEN 'first'
        WHEN compared.rank IS NULL THEN 'left'
        WHEN compared.previous_rank IS NULL THEN 'entered'
        WHEN compared.rank < compared.previous_rank THEN 'up'
        WHEN compared.rank > compared.previous_rank THEN 'down'
        ELSE 'same'
    END AS movement,
    snapshots.next_collected_on IS NULL AS is_latest
FROM compared
INNER JOIN snapshots
    ON snapshots.listener = compared.listener
    AND snapshots.entity_kind = compared.entity_kind
    AND snapshots.time_range = compared.time_range
    AND snapshots.collected_on = compared.collected_on
