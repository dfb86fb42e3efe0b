/*
description: >-
  How much of each week's music had been heard in the week before, and what goes with it, as correlation and never as
  cause: repeats beside the week's other listens. Over the whole history, and by part of the day as well, it is in
  `repeat_context`.
grain: [listener, week_start]
columns:
  listener: plays.listener
  week_start: date! The Monday of the ISO week, by local date.
  listens: bigint! Listens of tracks in the week.
  repeats: bigint! Of these, those whose recording was listened to in the 168 h before.
  repeat_share: double! repeats ÷ listens, 0 to 1.
  back_to_back_repeats: bigint! Repeats that come right after a play of the same recording in the same session.
  back_to_back_share: double back_to_back_repeats ÷ repeats, 0 to 1; null without repeats.
  repeat_backbtn_share: double Share of the repeats that started by `backbtn`, of those whose reason is known.
  other_backbtn_share: double Share of the other listens that started by `backbtn`, of those whose reason is known.
  repeat_clickrow_share: double Share of the repeats that started by `clickrow` (or `click-row`), likewise.
  other_clickrow_share: double Share of the other listens that started by `clickrow` (or `click-row`), likewise.
  repeat_trackdone_share: double Share of the repeats that started by `trackdone`, likewise.
  other_trackdone_share: double Share of the other listens that started by `trackdone`, likewise.
  repeat_shuffle_share: double Share of the repeats with shuffle on, of those for which it is known.
  other_shuffle_share: double Share of the other listens with shuffle on, of those for which it is known.
  repeat_median_days_known: double Median of the complete days of 24 h from the recording's discovery to the repeat.
  other_median_days_known: double The same median for the other listens, discoveries included.
  is_minimum: boolean! Whether plays of the week may be missing, as coverage has a gap in it.
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
        plays.play_number AS play_number,
        DATE_TRUNC('week', plays.local_date) AS week_start,
        plays.is_repeat AS is_repeat,
        plays.is_repeat AND COALESCE(plays.recording_id = play_before.recording_id, FALSE) AS is_back_to_back,
        CASE WHEN plays.reason_start = 'click-row' THEN 'clickrow' ELSE plays.reason_start END AS reason,
        plays.shuffle AS shuffle,
        DATE_DIFF('day', discoveries.discovered_at, plays.started_at) AS days_known
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
ordered AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY listener, week_start, is_repeat
            ORDER BY days_known NULLS LAST, play_number
        ) AS days_place,
        COUNT(days_known) OVER (PARTITION BY listener, week_start, is_repeat) AS days_count
    FROM listens
),
-- The median is the mean of the one or two values in the middle.
weeks AS (
    SELECT
        listener,
        week_start,
        COUNT(*) AS listens,
        COUNT_IF(is_repeat) AS repeats,
        CAST(COUNT_IF(is_repeat) AS double) / COUNT(*) AS repeat_share,
        COUNT_IF(is_back_to_back) AS back_to_back_repeats,
        CAST(COUNT_IF(is_back_to_back) AS double) / NULLIF(COUNT_IF(is_repeat), 0) AS back_to_back_share,
        AVG(CASE WHEN reason = 'backbtn' THEN 1E0 WHEN reason IS NOT NULL THEN 0E0 END) FILTER (WHERE is_repeat)
            AS repeat_backbtn_share,
        AVG(CASE WHEN reason = 'backbtn' THEN 1E0 WHEN reason IS NOT NULL THEN 0E0 END) FILTER (WHERE NOT is_repeat)
            AS other_backbtn_share,
        AVG(CASE WHEN reason = 'clickrow' THEN 1E0 WHEN reason IS NOT NULL THEN 0E0 END) FILTER (WHERE is_repeat)
            AS repeat_clickrow_share,
        AVG(CASE WHEN reason = 'clickrow' THEN 1E0 WHEN reason IS NOT NULL THEN 0E0 END) FILTER (WHERE NOT is_repeat)
            AS other_clickrow_share,
        AVG(CASE WHEN reason = 'trackdone' THEN 1E0 WHEN reason IS NOT NULL THEN 0E0 END) FILTER (WHERE is_repeat)
            AS repeat_trackdone_share,
        AVG(CASE WHEN reason = 'trackdone' THEN 1E0 WHEN reason IS NOT NULL THEN 0E0 END) FILTER (WHERE NOT is_repeat)
            AS other_trackdone_share,
        AVG(CASE WHEN shuffle THEN 1E0 WHEN NOT shuffle THEN 0E0 END) FILTER (WHERE is_repeat) AS repeat_shuffle_share,
        AVG(CASE WHEN shuffle THEN 1E0 WHEN NOT shuffle THEN 0E0 END) FILTER (WHERE NOT is_repeat) AS other_shuffle_share,
        AVG(CAST(days_known AS double)) FILTER (WHERE is_repeat AND 2 * days_place BETWEEN days_count AND days_count + 2)
            AS repeat_median_days_known,
        AVG(CAST(days_known AS double)) FILTER (WHERE NOT is_repeat AND 2 * days_place BETWEEN days_count AND days_count + 2)
            AS other_median_days_known
    FROM ordered
    GROUP BY listener, week_start
),
covered_weeks AS (
    SELECT
        listener,
        DATE_TRUNC('week', local_date) AS week_start,
        BOOL_OR(is_minimum) AS is_minimum
    FROM listening_coverage
    GROUP BY listener, DATE_TRUNC('week', local_date)
)
SELECT
    weeks.listener AS listener,
    weeks.week_start AS week_start,
    weeks.listens AS listens,
    weeks.repeats AS repeats,
    weeks.repeat_share AS repeat_share,
    weeks.back_to_back_repeats AS back_to_back_repeats,
    weeks.back_to_back_share AS back_to_back_share,
    weeks.repeat_backbtn_share AS repeat_backbtn_share,
    weeks.other_backbtn_share AS other_backbtn_share,
    weeks.repeat_clickrow_share AS repeat_clickrow_share,
    weeks.other_clickrow_share AS other_clickrow_share,
    weeks.repeat_trackdone_share AS repeat_trackdone_share,
    weeks.other_trackdone_share AS other_trackdone_share,
    weeks.repeat_shuffle_share AS repeat_shuffle_share,
    weeks.other_shuffle_share AS other_shuffle_share,
    weeks.repeat_median_days_known AS repeat_median_days_known,
    weeks.other_median_days_known AS other_median_days_known,
    covered_weeks.is_minimum AS is_minimum
FROM weeks
INNER JOIN covered_weeks
    ON covered_weeks.listener = weeks.listener
    AND covered_weeks.week_start = weeks.week_start
