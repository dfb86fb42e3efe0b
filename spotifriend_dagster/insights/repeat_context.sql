/*
description: >-
  What goes with playing music again: the listens of tracks, repeats (heard in the 168 h before) and others, by
  circumstance, over the whole history. Correlation, never cause. By week it is in `repeat_share`.
grain: [listener, dimension, value]
columns:
  listener: plays.listener
  dimension: string! What the listens are told apart by, `all`, `back_to_back`, `reason_start`, `shuffle`, `daypart` or
    `days_known`; listens for which it is unknown are left out.
  value: string! `yes` or `no` (right after a play of the same recording in the session); Spotify's reason; `on` or
    `off`; the part of the day; 24 h days since the recording's discovery `0`, `1-6`, `7-29`, `30-179`, `180+`; or
    `all`.
  listens: bigint! Listens of tracks with that value.
  repeats: bigint! Of these, those whose recording was listened to in the 168 h before.
  repeat_share: double! repeats ÷ listens, 0 to 1.
  share_of_repeats: double The value's share of all repeats for which the dimension is known; null without repeats.
  share_of_others: double The value's share of all other listens for which it is known; null without any.
  is_minimum: boolean! Whether plays of the listener's history may be missing, as coverage has a gap in it.
*/
WITH discoveries AS (
    SELECT
        listener,
        recording_id,
        started_at AS discovered_at
    FROM plays
    WHERE recording_novelty = 'discovery'
),
listens AS (
    SELECT
        plays.listener AS listener,
        plays.is_repeat AS is_repeat,
        CASE WHEN plays.recording_id = play_before.recording_id THEN 'yes' ELSE 'no' END AS back_to_back,
        plays.reason_start AS reason_start,
        CASE WHEN plays.shuffle THEN 'on' WHEN NOT plays.shuffle THEN 'off' END AS shuffle,
        plays.daypart AS daypart,
        CASE
            WHEN discoveries.discovered_at IS NULL THEN NULL
            WHEN plays.started_at < discoveries.discovered_at + INTERVAL '1' DAY THEN '0'
            WHEN plays.started_at < discoveries.discovered_at + INTERVAL '7' DAY THEN '1-6'
            WHEN plays.started_at < discoveries.discovered_at + INTERVAL '30' DAY THEN '7-29'
            WHEN plays.started_at < discoveries.discovered_at + INTERVAL '180' DAY THEN '30-179'
            ELSE '180+'
        END AS days_known
    FROM plays
    LEFT JOIN plays AS play_before
        ON play_before.listener = plays.listener
        AND play_before.session_number = plays.session_number
        AND play_before.session_position = plays.session_position - 1
    LEFT JOIN discoveries
        ON discoveries.listener = plays.listener
        AND discoveries.recording_id = plays.recording_id
        AND discoveries.discovered_at <= plays.started_at
    WHERE plays.is_repeat IS NOT NULL
),
-- One count for every combination first: there are few.
combinations AS (
    SELECT
        listener,
        back_to_back,
        reason_start,
        shuffle,
        daypart,
        days_known,
        COUNT(*) AS listens,
        COUNT_IF(is_repeat) AS repeats
    FROM listens
    GROUP BY listener, back_to_back, reason_start, shuffle, daypart, days_known
),
circumstances AS (
    SELECT listener, 'all' AS dimension, 'all' AS value, listens, repeats FROM combinations
    UNION ALL
    SELECT listener, 'back_to_back' AS dimension, back_to_back AS value, listens, repeats FROM combinations
    UNION ALL
    SELECT listener, 'reason_start' AS dimension, reason_start AS value, listens, repeats FROM combinations
    UNION ALL
    SELECT listener, 'shuffle' AS dimension, shuffle AS value, listens, repeats FROM combinations
    UNION ALL
    SELECT listener, 'daypart' AS dimension, daypart AS value, listens, repeats FROM combinations
    UNION ALL
    SELECT listener, 'days_known' AS dimension, days_known AS value, listens, repeats FROM combinations
),
counts AS (
    SELECT
        listener,
        dimension,
        value,
        SUM(listens) AS listens,
        SUM(repeats) AS repeats
    FROM circumstances
    WHERE value IS NOT NULL
    GROUP BY listener, dimension, value
)
SELECT
    listener,
    dimension,
    value,
    listens,
    repeats,
    CAST(repeats AS double) / listens AS repeat_share,
    CAST(repeats AS double) / NULLIF(SUM(repeats) OVER (PARTITION BY listener, dimension), 0) AS share_of_repeats,
    CAST(listens - repeats AS double) / NULLIF(SUM(listens - repeats) OVER (PARTITION BY listener, dimension), 0)
        AS share_of_others,
    COALESCE(is_history_minimum, TRUE) AS is_minimum
FROM counts
LEFT JOIN (SELECT listener AS of_listener, is_minimum AS is_history_minimum FROM listening_totals) AS history
    ON history.of_listener = counts.listener
