/*
description: >-
  How the library of liked songs grows: one row per month (UTC, as Spotify dates them) from the first saved song that is
  known to the last collection of the library. A song that was saved anew counts where it was saved last.
grain: [listener, month]
columns:
  listener: plays.listener
  month: date! The first day of the month, UTC.
  added_tracks: bigint! Songs saved in the month, whether or not they still are.
  removed_tracks: bigint! Of these, the songs that the last whole collection of the library did not find any more.
  library_tracks: bigint! Songs saved up to the end of the month that still are.
  heard_tracks: bigint! Of the songs saved in the month that still are, those ever listened to, as the same recording.
  heard_share: double heard_tracks ÷ (added_tracks − removed_tracks), 0 to 1; null without such songs.
  library_heard_share: double Of library_tracks, the share ever listened to, 0 to 1; null without such songs.
  spotify_tracks: bigint How many saved songs Spotify counted at the last collection; null where it did not say.
  is_whole_library: boolean! Whether a collection went to the end of the library; else older songs are missing.
  is_minimum: boolean! Whether plays may be missing, as the coverage of the history has a gap.
*/
WITH saved AS (
    SELECT listener, track_uri, MAX(added_at) AS added_at, MAX(collected_on) AS last_seen_on
    FROM saved_tracks
    GROUP BY listener, track_uri
),

collected AS (
    SELECT
        listener,
        MAX(collected_on) AS last_collected_on,
        MAX(CASE WHEN is_whole_library THEN collected_on END) AS whole_on
    FROM saved_tracks
    GROUP BY listener
),

spans AS (
    SELECT
        listener,
        DATE_TRUNC('month', CAST(MIN(added_at) AS date)) AS first_month,
        DATE_TRUNC('month', GREATEST(MAX(last_seen_on), CAST(MAX(added_at) AS date))) AS last_month
    FROM saved
    GROUP BY listener
),

counted AS (
    SELECT saved_tracks.listener AS listener, MAX(saved_tracks.library_total) AS spotify_tracks
    FROM saved_tracks
    INNER JOIN collected
        ON collected.listener = saved_tracks.listener
        AND collected.last_collected_on = saved_tracks.collected_on
    GROUP BY saved_tracks.listener
),

songs AS (
    SELECT
        saved.listener AS listener,
        DATE_TRUNC('month', CAST(saved.added_at AS date)) AS month,
        collected.whole_on IS NULL OR saved.last_seen_on >= collected.whole_on AS is_kept,
        COALESCE(snapshot_track_listening.listens, 0) > 0 AS is_heard
    FROM saved
    INNER JOIN collected ON collected.listener = saved.listener
    LEFT JOIN snapshot_track_listening
        ON snapshot_track_listening.listener = saved.listener
        AND snapshot_track_listening.track_uri = saved.track_uri
),

song_months AS (
    SELECT
        listener,
        month,
        COUNT(*) AS added_tracks,
        COUNT_IF(is_kept) AS kept_tracks,
        COUNT_IF(is_kept AND is_heard) AS heard_tracks
    FROM songs
    GROUP BY listener, month
),

months AS (
    SELECT
        spans.listener AS listener,
        DATE_ADD('month', later.n, spans.first_month) AS month,
        collected.whole_on IS NOT NULL AS is_whole_library
    FROM spans
    INNER JOIN collected ON collected.listener = spans.listener
    CROSS JOIN UNNEST(SEQUENCE(0, DATE_DIFF('month', spans.first_month, spans.last_month))) AS later (n)
),

figures AS (
    SELECT
        months.listener AS listener,
        months.month AS month,
        months.is_whole_library AS is_whole_library,
        COALESCE(song_months.added_tracks, 0) AS added_tracks,
        COALESCE(song_months.kept_tracks, 0) AS kept_tracks,
        COALESCE(song_months.heard_tracks, 0) AS heard_tracks
    FROM months
    LEFT JOIN song_months
        ON song_months.listener = months.listener
        AND song_months.month = months.month
),

grown AS (
    SELECT
        *,
        SUM(kept_tracks) OVER (
            PARTITION BY listener ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS library_tracks,
        SUM(heard_tracks) OVER (
            PARTITION BY listener ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS library_heard_tracks
    FROM figures
)

SELECT
    grown.listener AS listener,
    grown.month AS month,
    grown.added_tracks AS added_tracks,
    grown.added_tracks - grown.kept_tracks AS removed_tracks,
    grown.library_tracks AS library_tracks,
    grown.heard_tracks AS heard_tracks,
    CAST(grown.heard_tracks AS double) / NULLIF(grown.kept_tracks, 0) AS heard_share,
    CAST(grown.library_heard_tracks AS double) / NULLIF(grown.library_tracks, 0) AS library_heard_share,
    CAST(counted.spotify_tracks AS bigint) AS spotify_tracks,
    grown.is_whole_library AS is_whole_library,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM grown
INNER JOIN counted ON counted.listener = grown.listener
LEFT JOIN listening_totals ON listening_totals.listener = grown.listener
