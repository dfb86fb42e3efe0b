/*
description: >-
  From what music is played, and what of a playlist is ever played. The rows of dimension `context` are about kinds of
  contexts; those of dimension `playlist` about each playlist that is or was in the library, or was played from. Only
  polled plays know their context, and none of them where it is Liked Songs; that songs of a playlist were ever heard is
  known of all plays.
grain: [listener, dimension, value]
columns:
  listener: plays.listener
  dimension: string! What the row is about, `context` or `playlist`.
  value: string! "The kind of context, `playlist`, `album`, `artist`, `collection` or `other`; or the playlist's id."
  playlist_name: playlists.playlist_name
  is_own: playlists.is_own
  is_in_library: boolean Whether the playlist was in the library when that was last collected; null for a context.
  listens: bigint! Listens of tracks from it.
  ms_played: bigint! Listening time of tracks from it, in milliseconds; short plays included.
  context_listens: bigint! Listens of tracks whose context is known, the denominator of share.
  share: double listens ÷ context_listens, 0 to 1; null where no context is known.
  last_listen_at: timestamp When its last listen started, UTC; null without one.
  content_collected_on: date The day on which the playlist's content was last collected; null where it never was.
  tracks: bigint Distinct tracks and local files that it held then; null where its content is not known.
  heard_tracks: bigint Of these tracks, those ever listened to, from wherever, as the same recording.
  heard_here_tracks: bigint Of these tracks, those listened to from this playlist.
  heard_share: double heard_tracks ÷ tracks, 0 to 1; null without tracks.
  estimated_share: double Share of the listening time that is estimated; null without listening time.
  is_minimum: boolean! Whether plays may be missing, as the coverage of the history has a gap.
*/
WITH told AS (
    SELECT
        listener,
        CASE
            WHEN SPLIT_PART(context_uri, ':playlist:', 2) IS NOT NULL THEN 'playlist'
            WHEN SPLIT_PART(context_uri, ':', 2) = 'album' THEN 'album'
            WHEN SPLIT_PART(context_uri, ':', 2) = 'artist' THEN 'artist'
            WHEN STRPOS(context_uri, ':collection') > 0 THEN 'collection'
            ELSE 'other'
        END AS context,
        SPLIT_PART(context_uri, ':playlist:', 2) AS playlist_id,
        recording_id,
        is_listen,
        started_at,
        ms_played,
        ms_played_is_estimate
    FROM plays
    WHERE is_counted AND media = 'track' AND context_uri IS NOT NULL
),

figures AS (
    SELECT
        listener,
        'context' AS dimension,
        context AS value,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS estimated_ms,
        MAX(CASE WHEN is_listen THEN started_at END) AS last_listen_at
    FROM told
    GROUP BY listener, context
    UNION ALL
    SELECT
        listener,
        'playlist' AS dimension,
        playlist_id AS value,
        COUNT_IF(is_listen) AS listens,
        SUM(ms_played) AS ms_played,
        SUM(CASE WHEN ms_played_is_estimate THEN ms_played ELSE 0 END) AS estimated_ms,
        MAX(CASE WHEN is_listen THEN started_at END) AS last_listen_at
    FROM told
    WHERE playlist_id IS NOT NULL
    GROUP BY listener, playlist_id
),

totals AS (
    SELECT listener, COUNT_IF(is_listen) AS context_listens
    FROM told
    GROUP BY listener
),

libraries AS (
    SELECT listener, MAX(collected_on) AS collected_on
    FROM playlists
    GROUP BY listener
),

known_playlists AS (
    SELECT
        playlists.listener AS listener,
        playlists.playlist_id AS playlist_id,
        MAX_BY(playlists.playlist_name, playlists.collected_on) AS playlist_name,
        MAX_BY(playlists.is_own, playlists.collected_on) AS is_own,
        MAX_BY(playlists.items_total, playlists.collected_on) AS items_total,
        MAX(playlists.collected_on) AS collected_on,
        BOOL_OR(playlists.collected_on = libraries.collected_on) AS is_in_library
    FROM playlists
    INNER JOIN libraries ON libraries.listener = playlists.listener
    GROUP BY playlists.listener, playlists.playlist_id
),

contents AS (
    SELECT listener, playlist_id, MAX(collected_on) AS collected_on
    FROM playlist_tracks
    GROUP BY listener, playlist_id
),

-- A recording listened to from the playlist itself.
heard_here AS (
    SELECT DISTINCT listener, playlist_id, recording_id
    FROM told
    WHERE playlist_id IS NOT NULL AND is_listen
),

current_tracks AS (
    SELECT
        playlist_tracks.listener AS listener,
        playlist_tracks.playlist_id AS playlist_id,
        COUNT(DISTINCT playlist_tracks.item_uri) AS tracks,
        COUNT(DISTINCT CASE WHEN snapshot_track_listening.listens > 0 THEN playlist_tracks.item_uri END)
            AS heard_tracks,
        COUNT(DISTINCT CASE WHEN heard_here.recording_id IS NOT NULL THEN playlist_tracks.item_uri END)
            AS heard_here_tracks
    FROM playlist_tracks
    INNER JOIN contents
        ON contents.listener = playlist_tracks.listener
        AND contents.playlist_id = playlist_tracks.playlist_id
        AND contents.collected_on = playlist_tracks.collected_on
    LEFT JOIN snapshot_track_listening
        ON snapshot_track_listening.listener = playlist_tracks.listener
        AND snapshot_track_listening.track_uri = playlist_tracks.item_uri
    LEFT JOIN heard_here
        ON heard_here.listener = playlist_tracks.listener
        AND heard_here.playlist_id = playlist_tracks.playlist_id
        AND heard_here.recording_id = snapshot_track_listening.recording_id
    WHERE playlist_tracks.media <> 'episode'
    GROUP BY playlist_tracks.listener, playlist_tracks.playlist_id
),

-- One row for all that is told of one context or playlist; that an emptied playlist holds nothing is told by its total.
subjects AS (
    SELECT listener, dimension, value FROM figures
    UNION
    SELECT listener, 'playlist' AS dimension, playlist_id AS value FROM known_playlists
    UNION
    SELECT listener, 'playlist' AS dimension, playlist_id AS value FROM contents
),

holdings AS (
    SELECT
        subjects.listener AS listener,
        subjects.dimension AS dimension,
        subjects.value AS value,
        known_playlists.playlist_name AS playlist_name,
        known_playlists.is_own AS is_own,
        CASE
            WHEN subjects.dimension = 'playlist' THEN COALESCE(known_playlists.is_in_library, FALSE)
        END AS is_in_library,
        CASE
            WHEN known_playlists.items_total = 0 THEN known_playlists.collected_on
            ELSE contents.collected_on
        END AS content_collected_on,
        CASE
            WHEN known_playlists.items_total = 0 THEN 0
            WHEN contents.collected_on IS NOT NULL THEN COALESCE(current_tracks.tracks, 0)
        END AS tracks,
        CASE
            WHEN known_playlists.items_total = 0 THEN 0
            WHEN contents.collected_on IS NOT NULL THEN COALESCE(current_tracks.heard_tracks, 0)
        END AS heard_tracks,
        CASE
            WHEN known_playlists.items_total = 0 THEN 0
            WHEN contents.collected_on IS NOT NULL THEN COALESCE(current_tracks.heard_here_tracks, 0)
        END AS heard_here_tracks
    FROM subjects
    LEFT JOIN known_playlists
        ON known_playlists.listener = subjects.listener
        AND known_playlists.playlist_id = subjects.value
        AND subjects.dimension = 'playlist'
    LEFT JOIN contents
        ON contents.listener = subjects.listener
        AND contents.playlist_id = subjects.value
        AND subjects.dimension = 'playlist'
    LEFT JOIN current_tracks
        ON current_tracks.listener = subjects.listener
        AND current_tracks.playlist_id = subjects.value
        AND subjects.dimension = 'playlist'
)

SELECT
    holdings.listener AS listener,
    holdings.dimension AS dimension,
    holdings.value AS value,
    holdings.playlist_name AS playlist_name,
    holdings.is_own AS is_own,
    holdings.is_in_library AS is_in_library,
    COALESCE(figures.listens, 0) AS listens,
    COALESCE(figures.ms_played, 0) AS ms_played,
    COALESCE(totals.context_listens, 0) AS context_listens,
    CAST(COALESCE(figures.listens, 0) AS double) / NULLIF(totals.context_listens, 0) AS share,
    figures.last_listen_at AS last_listen_at,
    holdings.content_collected_on AS content_collected_on,
    holdings.tracks AS tracks,
    holdings.heard_tracks AS heard_tracks,
    holdings.heard_here_tracks AS heard_here_tracks,
    CAST(holdings.heard_tracks AS double) / NULLIF(holdings.tracks, 0) AS heard_share,
    CAST(figures.estimated_ms AS double) / NULLIF(figures.ms_played, 0) AS estimated_share,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM holdings
LEFT JOIN figures
    ON figures.listener = holdings.listener
    AND figures.dimension = holdings.dimension
    AND figures.value = holdings.value
LEFT JOIN totals ON totals.listener = holdings.listener
LEFT JOIN listening_totals ON listening_totals.listener = holdings.listener
