/*
description: >-
  How music sounds through the day: the means of the audio features over the listens of each local hour. There are no
  rows where no features are known: Spotify closed them to new apps on 27 November 2024, so that most listeners need a
  feature file of their own.
grain: [listener, local_hour]
columns:
  listener: plays.listener
  local_hour: plays.local_hour
  feature_source: string! "Who says the features, `user` or `spotify`; `mixed` where both do."
  listens: bigint! Listens of tracks that start in the hour.
  feature_listens: bigint! Of these, the listens of a track whose features are known, over which the means are.
  feature_coverage: double! feature_listens ÷ listens, 0 to 1.
  is_low_coverage: boolean! Whether that is less than half, too little for the means to be trusted.
  is_small_sample: boolean! Whether feature_listens are fewer than 50, too few for the means to be trusted.
  danceability: double Mean suitability for dancing, 0 to 1; null, as all that follow, where no track of the hour has it.
  energy: double Mean intensity and activity, 0 to 1.
  valence: double Mean positiveness, 0 to 1.
  acousticness: double Mean confidence that it is acoustic, 0 to 1.
  instrumentalness: double Mean confidence that it has no vocals, 0 to 1.
  liveness: double Mean confidence that an audience is heard, 0 to 1.
  speechiness: double Mean presence of spoken words, 0 to 1.
  loudness: double Mean loudness in decibels.
  tempo: double Mean tempo in beats per minute.
  is_minimum: boolean! Whether plays may be missing, as the coverage of the history has a gap.
*/
WITH listens AS (
    SELECT listener, local_hour, COUNT(*) AS listens
    FROM plays
    WHERE is_counted AND is_listen AND media = 'track'
    GROUP BY listener, local_hour
),

means AS (
    SELECT
        plays.listener AS listener,
        plays.local_hour AS local_hour,
        MIN(track_features.feature_source) AS first_source,
        MAX(track_features.feature_source) AS last_source,
        COUNT(*) AS feature_listens,
        AVG(track_features.danceability) AS danceability,
        AVG(track_features.energy) AS energy,
        AVG(track_features.valence) AS valence,
        AVG(track_features.acousticness) AS acousticness,
        AVG(track_features.instrumentalness) AS instrumentalness,
        AVG(track_features.liveness) AS liveness,
        AVG(track_features.speechiness) AS speechiness,
        AVG(track_features.loudness) AS loudness,
        AVG(track_features.tempo) AS tempo
    FROM plays
    INNER JOIN track_features
        ON track_features.listener = plays.listener
        AND track_features.track_uri = plays.track_uri
    WHERE plays.is_counted AND plays.is_listen AND plays.media = 'track'
    GROUP BY plays.listener, plays.local_hour
)

SELECT
    means.listener AS listener,
    means.local_hour AS local_hour,
    CASE WHEN means.first_source = means.last_source THEN means.first_source ELSE 'mixed' END AS feature_source,
    listens.listens AS listens,
    means.feature_listens AS feature_listens,
    CAST(means.feature_listens AS double) / listens.listens AS feature_coverage,
    2 * means.feature_listens < listens.listens AS is_low_coverage,
    means.feature_listens < 50 AS is_small_sample,
    means.danceability AS danceability,
    means.energy AS energy,
    means.valence AS valence,
    means.acousticness AS acousticness,
    means.instrumentalness AS instrumentalness,
    means.liveness AS liveness,
    means.speechiness AS speechiness,
    means.loudness AS loudness,
    means.tempo AS tempo,
    COALESCE(listening_totals.is_minimum, TRUE) AS is_minimum
FROM means
INNER JOIN listens
    ON listens.listener = means.listener
    AND listens.local_hour = means.local_hour
LEFT JOIN listening_totals ON listening_totals.listener = means.listener
