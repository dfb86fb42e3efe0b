/*
description: >-
  The four local parts of the day: how much music is heard in each, and how far its mix of artists, and of genres, lies
  from the listener's whole. One row per part with a play of a track.
grain: [listener, daypart]
columns:
  listener: plays.listener
  daypart: plays.daypart
  listens: bigint! Listens of tracks that start in the part.
  ms_played: bigint! Milliseconds of sound of tracks within the part, split at its boundaries.
  listen_share: double The part's share of all listens of tracks, 0 to 1; null where there are none.
  ms_played_share: double The part's share of all listening time of tracks, 0 to 1; null where there is none.
  artists: bigint! Known artists listened to in the part.
  known_artist_listens: bigint! Listens by known artists, on which the divergence rests.
  unknown_artist_share: double Share of the part's listens whose artist is unknown; null without listens.
  divergence_bits: double Jensen–Shannon divergence, in bits, of the part's shares of artists from those of the
    whole; 0 where they are equal, at most 1; null without listens.
  is_small_sample: boolean! Whether the part has fewer than 50 listens by known artists, too few for its divergence.
  genre_listens: bigint! Listens in the part of which any genre is known, on which the divergence of genres rests.
  genre_divergence_bits: double Jensen–Shannon divergence, in bits, of the part's shares of genres from those of the
    whole; null without such listens.
  genre_coverage: double Share of the part's listening time whose artist has any genre; null without listening time.
  is_low_genre_coverage: boolean! Whether that is less than half, too little for the divergence of genres.
  is_small_genre_sample: boolean! Whether genre_listens are fewer than 50, too few for the divergence of genres.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH part_listens AS (
    SELECT
        listener,
        daypart,
        COUNT_IF(is_listen) AS listens,
        COUNT_IF(is_listen AND artist_name IS NOT NULL) AS known_artist_listens
    FROM plays
    WHERE is_counted AND media = 'track'
    GROUP BY listener, daypart
),
part_times AS (
    SELECT
        listener,
        daypart,
        SUM(ms_played) AS ms_played
    FROM play_hours
    WHERE is_counted AND media = 'track'
    GROUP BY listener, daypart
),
-- An artist who is not in the part adds half the share in the whole: together, what is left of 1 below.
mixes AS (
    SELECT
        listener,
        daypart,
        COUNT(*) AS artists,
        0.5E0 * (
            SUM(share * LOG2(2 * share / (share + overall_share)))
            + SUM(overall_share * LOG2(2 * overall_share / (share + overall_share)))
            + 1 - SUM(overall_share)
        ) AS divergence_bits
    FROM taste_by_daypart
    GROUP BY listener, daypart
),
genre_mixes AS (
    SELECT
        listener,
        daypart,
        0.5E0 * (
            SUM(share * LOG2(2 * share / (share + overall_share)))
            + SUM(overall_share * LOG2(2 * overall_share / (share + overall_share)))
            + 1 - SUM(overall_share)
        ) AS divergence_bits
    FROM taste_by_daypart_genres
    GROUP BY listener, daypart
),
covered AS (
    SELECT *
    FROM genre_coverage
    WHERE dimension = 'daypart' AND genre_source = 'all'
)
SELECT
    part_times.listener AS listener,
    part_times.daypart AS daypart,
    COALESCE(part_listens.listens, 0) AS listens,
    part_times.ms_played AS ms_played,
    CAST(COALESCE(part_listens.listens, 0) AS double)
        / NULLIF(SUM(part_listens.listens) OVER (PARTITION BY part_times.listener), 0) AS listen_share,
    CAST(part_times.ms_played AS double)
        / NULLIF(SUM(part_times.ms_played) OVER (PARTITION BY part_times.listener), 0) AS ms_played_share,
    COALESCE(mixes.artists, 0) AS artists,
    COALESCE(part_listens.known_artist_listens, 0) AS known_artist_listens,
    CAST(part_listens.listens - part_listens.known_artist_listens AS double) / NULLIF(part_listens.listens, 0)
        AS unknown_artist_share,
    CASE WHEN mixes.divergence_bits < 0 THEN 0 ELSE mixes.divergence_bits END AS divergence_bits,
    COALESCE(part_listens.known_artist_listens, 0) < 50 AS is_small_sample,
    COALESCE(covered.genre_listens, 0) AS genre_listens,
    CASE WHEN genre_mixes.divergence_bits < 0 THEN 0 ELSE genre_mixes.divergence_bits END AS genre_divergence_bits,
    covered.ms_played_share AS genre_coverage,
    COALESCE(covered.is_low_coverage, TRUE) AS is_low_genre_coverage,
    COALESCE(covered.genre_listens, 0) < 50 AS is_small_genre_sample,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM part_times
LEFT JOIN part_listens
    ON part_times.listener = part_listens.listener
    AND part_times.daypart = part_listens.daypart
LEFT JOIN mixes
    ON part_times.listener = mixes.listener
    AND part_times.daypart = mixes.daypart
LEFT JOIN genre_mixes
    ON part_times.listener = genre_mixes.listener
    AND part_times.daypart = genre_mixes.daypart
LEFT JOIN covered
    ON part_times.listener = covered.listener
    AND part_times.daypart = covered.value
LEFT JOIN listening_totals ON listening_totals.listener = part_times.listener
