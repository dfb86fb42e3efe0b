/*
description: >-
  What was added to playlists and removed from them between the days on which their content was collected. One row per
  playlist, day and item that is there more or less often than on the day before that is stored. The first content of a
  playlist is no change. That something was added and removed again in between, or moved, is not seen.
grain: [listener, playlist_id, collected_on, item_uri]
columns:
  listener: plays.listener
  playlist_id: playlist_tracks.playlist_id
  collected_on: playlist_tracks.collected_on
  item_uri: playlist_tracks.item_uri
  playlist_name: playlists.playlist_name
  change: string! `added` or `removed`.
  copies: bigint! How often it was added, or removed; more than once where a playlist holds it several times.
  media: playlist_tracks.media
  track_name: playlist_tracks.track_name
  artist_name: playlist_tracks.artist_name
  added_at: playlist_tracks.added_at
  previous_collected_on: date! The day of the content before, since when it changed.
*/
WITH items AS (
    SELECT
        listener,
        playlist_id,
        collected_on,
        item_uri,
        COUNT(*) AS copies,
        MIN_BY(media, position) AS media,
        MIN_BY(track_name, position) AS track_name,
        MIN_BY(artist_name, position) AS artist_name,
        MAX(added_at) AS added_at
    FROM playlist_tracks
    GROUP BY listener, playlist_id, collected_on, item_uri
),

-- A playlist without items has no rows of content; its total says so.
days AS (
    SELECT listener, playlist_id, collected_on FROM items
    UNION
    SELECT listener, playlist_id, collected_on FROM playlists WHERE items_total = 0
),

contents AS (
    SELECT
        *,
        LAG(collected_on) OVER (PARTITION BY listener, playlist_id ORDER BY collected_on) AS previous_collected_on,
        LEAD(collected_on) OVER (PARTITION BY listener, playlist_id ORDER BY collected_on) AS next_collected_on
    FROM days
),

-- An item in its content, and as one that was before in the next.
told AS (
    SELECT
        listener,
        playlist_id,
        collected_on,
        item_uri,
        copies,
        media,
        track_name,
        artist_name,
        added_at,
        1 AS is_here
    FROM items
    UNION ALL
    SELECT
        items.listener AS listener,
        items.playlist_id AS playlist_id,
        contents.next_collected_on AS collected_on,
        items.item_uri AS item_uri,
        -items.copies AS copies,
        items.media AS media,
        items.track_name AS track_name,
        items.artist_name AS artist_name,
        items.added_at AS added_at,
        0 AS is_here
    FROM items
    INNER JOIN contents
        ON contents.listener = items.listener
        AND contents.playlist_id = items.playlist_id
        AND contents.collected_on = items.collected_on
    WHERE contents.next_collected_on IS NOT NULL
),

changes AS (
    SELECT
        listener,
        playlist_id,
        collected_on,
        item_uri,
        SUM(copies) AS copies,
        MAX_BY(media, is_here) AS media,
        MAX_BY(track_name, is_here) AS track_name,
        MAX_BY(artist_name, is_here) AS artist_name,
        MAX_BY(added_at, is_here) AS added_at
    FROM told
    GROUP BY listener, playlist_id, collected_on, item_uri
    HAVING SUM(copies) <> 0
),

names AS (
    SELECT listener, playlist_id, MAX_BY(playlist_name, collected_on) AS playlist_name
    FROM playlists
    GROUP BY listener, playlist_id
)

SELECT
    changes.listener AS listener,
    changes.playlist_id AS playlist_id,
    changes.collected_on AS collected_on,
    changes.item_uri AS item_uri,
    names.playlist_name AS playlist_name,
    CASE WHEN changes.copies > 0 THEN 'added' ELSE 'removed' END AS change,
    ABS(changes.copies) AS copies,
    changes.media AS media,
    changes.track_name AS track_name,
    changes.artist_name AS artist_name,
    changes.added_at AS added_at,
    contents.previous_collected_on AS previous_collected_on
FROM changes
INNER JOIN contents
    ON contents.listener = changes.listener
    AND contents.playlist_id = changes.playlist_id
    AND contents.collected_on = changes.collected_on
LEFT JOIN names
    ON names.listener = changes.listener
    AND names.playlist_id = changes.playlist_id
WHERE contents.previous_collected_on IS NOT NULL
