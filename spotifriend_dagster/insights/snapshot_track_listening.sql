/*
description: >-
  What was ever listened to of the tracks that Spotify names beside plays: those in the stored tops, playlists and
  library. Each is matched with the listener's recording that has a play by the same URI, else the same ISRC, else the
  same title and artist. Plays of all sources count.
grain: [listener, track_uri]
columns:
  listener: plays.listener
  track_uri: saved_tracks.track_uri
  track_name: saved_tracks.track_name?
  artist_name: saved_tracks.artist_name?
  recording_id: plays.recording_id?
  matched_by: string How the recording was found, `uri`, `isrc` or `name`; null where there is none.
  listens: bigint! Listens of the recording, from whatever release.
  ms_played: bigint! Listening time of the recording in milliseconds; short plays included.
  first_listen_at: timestamp When its first listen started, UTC; null without one.
  last_listen_at: timestamp When its last listen started, UTC; null without one.
  is_minimum: boolean! Whether plays may be missing, as the coverage of the history has a gap.
*/
WITH answers AS (
    SELECT listener, track_uri, track_name, artist_name, isrc FROM top_tracks
    UNION ALL
    SELECT listener, track_uri, track_name, artist_name, isrc FROM saved_tracks
    UNION ALL
    SELECT listener, item_uri AS track_uri, track_name, artist_name, isrc
    FROM playlist_tracks
    WHERE media <> 'episode'
),

named_tracks AS (
    SELECT
        listener,
        track_uri,
        MAX(track_name) AS track_name,
        MAX(artist_name) AS artist_name,
        'isrc:' || MAX(UPPER(REPLACE(isrc, '-'))) AS isrc_recording_id
    FROM answers
    GROUP BY listener, track_uri
),

recordings AS (
    SELECT
        listener,
        recording_id,
        COUNT_IF(is_counted AND is_listen) AS listens,
        SUM(CASE WHEN is_counted THEN ms_played ELSE 0 END) AS ms_played,
        MIN(CASE WHEN is_counted AND is_listen THEN started_at END) AS first_listen_at,
        MAX(CASE WHEN is_counted AND is_listen THEN started_at END) AS last_listen_at
    FROM plays
    WHERE media = 'track' AND recording_id IS NOT NULL
    GROUP BY listener, recording_id
),

-- Where plays by one URI or name are of several recordings, the latest tells.
by_uri AS (
    SELECT
        named_tracks.listener AS listener,
        named_tracks.track_uri AS track_uri,
        MAX_BY(plays.recording_id, plays.play_number) AS recording_id
    FROM plays
    INNER JOIN named_tracks
        ON named_tracks.listener = plays.listener
        AND named_tracks.track_uri = plays.track_uri
    WHERE plays.media = 'track' AND plays.recording_id IS NOT NULL
    GROUP BY named_tracks.listener, named_tracks.track_uri
),

by_name AS (
    SELECT
        named_tracks.listener AS listener,
        named_tracks.track_uri AS track_uri,
        MAX_BY(plays.recording_id, plays.play_number) AS recording_id
    FROM plays
    INNER JOIN named_tracks
        ON named_tracks.listener = plays.listener
        AND named_tracks.track_name = plays.track_name
        AND named_tracks.artist_name = plays.artist_name
    WHERE plays.media = 'track' AND plays.recording_id IS NOT NULL
    GROUP BY named_tracks.listener, named_tracks.track_uri
),

matched AS (
    SELECT
        named_tracks.listener AS listener,
        named_tracks.track_uri AS track_uri,
        named_tracks.track_name AS track_name,
        named_tracks.artist_name AS artist_name,
        COALESCE(by_uri.recording_id, by_isrc.recording_id, by_name.recording_id) AS recording_id,
        CASE
            WHEN by_uri.recording_id IS NOT NULL THEN 'uri'
            WHEN by_isrc.recording_id IS NOT NULL THEN 'isrc'
            WHEN by_name.recording_id IS NOT NULL THEN 'name'
        END AS matched_by
    FROM named_tracks
    LEFT JOIN by_uri
        ON by_uri.listener = named_tracks.listener
        AND by_uri.track_uri = named_tracks.track_uri
    LEFT JOIN recordings AS by_isrc
        ON by_isrc.listener = named_tracks.listener
        AND by_isrc.recording_id = named_tracks.isrc_recording_id
    LEFT JOIN by_name
        ON by_name.listener = named_tracks.listener
        AND by_name.track_uri = named_tracks.track_uri
)

SELECT
    matched.listener AS listener,
    matched.track_uri AS track_uri,
    matched.track_name AS track_name,
    matched.artist_name AS artist_name,
    matched.recording_id AS recording_id,
    matched.matched_by AS matched_by,
    COALESCE(recordings.listens, 0) AS listens,
    COALESCE(recordings.ms_played, 0) AS ms_played,
    recordings.first_listen_at AS first_listen_at,
    recordings.last_listen_at AS last_listen_at,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM matched
LEFT JOIN recordings
    ON recordings.listener = matched.listener
    AND recordings.recording_id = matched.recording_id
LEFT JOIN listening_totals ON listening_totals.listener = matched.listener
