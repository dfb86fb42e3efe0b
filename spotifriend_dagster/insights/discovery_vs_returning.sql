/*
description: >-
  New against known: every listen of a track, counted by local month as what it was for its artist and for its
  recording, which is either a discovery (the first listen), returning (the listen before is under 180 × 24 h ago), a
  rediscovery (longer ago, after at least 3 earlier listens) or lapsed (longer ago, after fewer).
grain: [listener, month, subject]
columns:
  listener: plays.listener
  month: date! The first day of the local month.
  subject: string! For which the listens are classed, `artist` (listens by known artists) or `recording`.
  listens: bigint! Listens in the month, the denominator of the shares.
  heard: bigint! Distinct artists, or recordings, listened to.
  discovery_listens: bigint! Listens that are discoveries, so also the artists or recordings discovered.
  returning_listens: bigint! Listens of what was listened to under 180 × 24 h before.
  rediscovery_listens: bigint! Listens of what came back after 180 × 24 h or more and at least 3 earlier listens.
  lapsed_listens: bigint! Listens of what came back after 180 × 24 h or more and fewer than 3 earlier listens.
  discovery_share: double! discovery_listens ÷ listens, 0 to 1.
  returning_share: double! returning_listens ÷ listens, 0 to 1.
  rediscovery_share: double! rediscovery_listens ÷ listens, 0 to 1.
  lapsed_share: double! lapsed_listens ÷ listens, 0 to 1.
  local_novelty: double! Share of the listens that are anything but returning, 0 to 1.
  censored_discoveries: bigint! Discoveries in the first 90 × 24 h of the known history, which may be older than it.
  is_censored: boolean! Whether a listen of the month falls in these first 90 × 24 h.
  is_minimum: boolean! Whether plays of the month may be missing, as coverage has a gap in it.
*/
WITH listens AS (
    SELECT
        listener,
        local_date,
        started_at,
        'artist' AS subject,
        artist_name AS heard,
        artist_novelty AS novelty
    FROM plays
    WHERE artist_novelty IS NOT NULL
    UNION ALL
    SELECT
        listener,
        local_date,
        started_at,
        'recording' AS subject,
        recording_id AS heard,
        recording_novelty AS novelty
    FROM plays
    WHERE recording_novelty IS NOT NULL
),
months AS (
    SELECT
        listens.listener AS listener,
        DATE_TRUNC('month', listens.local_date) AS month,
        listens.subject AS subject,
        COUNT(*) AS listens,
        COUNT(DISTINCT listens.heard) AS heard,
        COUNT_IF(listens.novelty = 'discovery') AS discovery_listens,
        COUNT_IF(listens.novelty = 'returning') AS returning_listens,
        COUNT_IF(listens.novelty = 'rediscovery') AS rediscovery_listens,
        COUNT_IF(listens.novelty = 'lapsed') AS lapsed_listens,
        COUNT_IF(
            listens.novelty = 'discovery'
            AND listens.started_at < listening_totals.known_history_start + INTERVAL '90' DAY
        ) AS censored_discoveries,
        COUNT_IF(listens.started_at < listening_totals.known_history_start + INTERVAL '90' DAY) AS early_listens
    FROM listens
    INNER JOIN listening_totals ON listening_totals.listener = listens.listener
    GROUP BY 1, 2, 3
),
covered_months AS (
    SELECT
        listener,
        DATE_TRUNC('month', local_date) AS month,
        BOOL_OR(is_minimum) AS is_minimum
    FROM listening_coverage
    GROUP BY listener, DATE_TRUNC('month', local_date)
)
SELECT
    months.listener AS listener,
    months.month AS month,
    months.subject AS subject,
    months.listens AS listens,
    months.heard AS heard,
    months.discovery_listens AS discovery_listens,
    months.returning_listens AS returning_listens,
    months.rediscovery_listens AS rediscovery_listens,
    months.lapsed_listens AS lapsed_listens,
    CAST(months.discovery_listens AS double) / months.listens AS discovery_share,
    CAST(months.returning_listens AS double) / months.listens AS returning_share,
    CAST(months.rediscovery_listens AS double) / months.listens AS rediscovery_share,
    CAST(months.lapsed_listens AS double) / months.listens AS lapsed_share,
    CAST(months.listens - months.returning_listens AS double) / months.listens AS local_novelty,
    months.censored_discoveries AS censored_discoveries,
    months.early_listens > 0 AS is_censored,
    covered_months.is_minimum AS is_minimum
FROM months
INNER JOIN covered_months
    ON covered_months.listener = months.listener
    AND covered_months.month = months.month
