/*
description: >-
  How steadily each artist is listened to: months with a listen out of all calendar months since the discovery, with
  how long ago the last listen was and how much of the listening goes to the artist.
grain: [listener, artist_name]
columns:
  listener: plays.listener
  artist_name: plays.artist_name!
  discovered_month: date! The first day of the local month of the artist's first listen.
  months: bigint! Calendar months from that one to the month in which coverage ends, both counted.
  active_months: bigint! Of these, those with a listen.
  loyalty: double active_months ÷ months, 0 to 1; null under 3 months or 3 listens.
  loyalty_rank: bigint Place among the listener's artists, from 1, by loyalty, listens, name; null without loyalty.
  listens: bigint! Listens of the artist.
  ms_played: bigint! Milliseconds of sound of the artist, short plays included.
  ms_played_share: double! The artist's share of the listening time of all tracks, 0 to 1.
  last_listen_at: timestamp! When the latest listen of the artist started, UTC.
  idle_days: bigint! Complete days of 24 h from then to the end of coverage.
  is_censored: boolean! Whether the discovery falls in the first 90 days of the known history.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH heard_artists AS (
    SELECT
        listener,
        artist_name,
        COUNT(DISTINCT DATE_TRUNC('month', local_date)) FILTER (WHERE artist_novelty IS NOT NULL) AS active_months,
        SUM(ms_played) AS ms_played
    FROM plays
    WHERE is_counted AND media = 'track' AND artist_name IS NOT NULL
    GROUP BY listener, artist_name
),
figures AS (
    SELECT
        artist_discovery.listener AS listener,
        artist_discovery.artist_name AS artist_name,
        DATE_TRUNC('month', artist_discovery.discovered_on) AS discovered_month,
        DATE_DIFF(
            'month',
            DATE_TRUNC('month', artist_discovery.discovered_on),
            DATE_TRUNC('month', listening_totals.last_date)
        ) + 1 AS months,
        heard_artists.active_months AS active_months,
        artist_discovery.listens AS listens,
        heard_artists.ms_played AS ms_played,
        CAST(heard_artists.ms_played AS double) / NULLIF(listening_totals.track_ms_played, 0) AS ms_played_share,
        artist_discovery.last_listen_at AS last_listen_at,
        DATE_DIFF('day', artist_discovery.last_listen_at, listening_totals.coverage_end) AS idle_days,
        artist_discovery.is_censored AS is_censored
    FROM artist_discovery
    INNER JOIN heard_artists
        ON heard_artists.listener = artist_discovery.listener
        AND heard_artists.artist_name = artist_discovery.artist_name
    INNER JOIN listening_totals ON listening_totals.listener = artist_discovery.listener
),
loyalties AS (
    SELECT
        *,
        CASE WHEN months >= 3 AND listens >= 3 THEN CAST(active_months AS double) / months END AS loyalty
    FROM figures
)
SELECT
    listener,
    artist_name,
    discovered_month,
    months,
    active_months,
    loyalty,
    CASE
        WHEN loyalty IS NOT NULL
            THEN ROW_NUMBER() OVER (
                PARTITION BY listener
                ORDER BY loyalty DESC NULLS LAST, listens DESC, artist_name
            )
    END AS loyalty_rank,
    listens,
    ms_played,
    ms_played_share,
    last_listen_at,
    idle_days,
    is_censored,
    COALESCE(is_history_minimum, TRUE) AS is_minimum
FROM loyalties
LEFT JOIN (SELECT listener AS of_listener, is_minimum AS is_history_minimum FROM listening_totals) AS history
    ON history.of_listener = loyalties.listener
