/*
description: Every streak of consecutive local dates with at least one listen, of any media. At most one of a listener's
  is current; it may have ended on the day before coverage does.
grain: [listener, first_date]
columns:
  listener: plays.listener
  first_date: date! The first local date of the streak.
  last_date: date! The last local date of the streak.
  days: bigint! Its length in days.
  listens: bigint! Plays of at least 30 s in it.
  streak_rank: bigint! Its place among the listener's, from 1, the longest first, then the earlier.
  is_current: boolean! Whether it lasts to as_of_date or to the day before.
  as_of_date: date! The local date on which coverage ends. Where it is before yesterday, nobody knows a current streak.
  is_minimum: boolean! Whether the day before or after it is not completely known, so that it may be longer.
*/
WITH active AS (
    SELECT
        listener,
        local_date,
        listens,
        DATE_ADD('day', -ROW_NUMBER() OVER (PARTITION BY listener ORDER BY local_date), local_date) AS anchor
    FROM listening_coverage
    WHERE listens > 0
),

found AS (
    SELECT
        listener,
        MIN(local_date) AS first_date,
        MAX(local_date) AS last_date,
        COUNT(*) AS days,
        SUM(listens) AS listens
    FROM active
    GROUP BY listener, anchor
)

SELECT
    found.listener AS listener,
    found.first_date AS first_date,
    found.last_date AS last_date,
    found.days AS days,
    found.listens AS listens,
    ROW_NUMBER() OVER (PARTITION BY found.listener ORDER BY found.days DESC, found.first_date) AS streak_rank,
    found.last_date >= DATE_ADD('day', -1, listening_totals.last_date) AS is_current,
    listening_totals.last_date AS as_of_date,
    COALESCE(day_before.is_minimum, FALSE) OR COALESCE(day_after.is_minimum, FALSE) AS is_minimum
FROM found
INNER JOIN listening_totals ON listening_totals.listener = found.listener
LEFT JOIN listening_coverage AS day_before
    ON day_before.listener = found.listener
    AND day_before.local_date = DATE_ADD('day', -1, found.first_date)
LEFT JOIN listening_coverage AS day_after
    ON day_after.listener = found.listener
    AND day_after.local_date = DATE_ADD('day', 1, found.last_date)
