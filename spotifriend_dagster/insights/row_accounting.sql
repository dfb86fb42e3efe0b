/*
description: Every file received, its rows, and what became of them. Every row is kept, a duplicate, superseded or
  rejected; so `unaccounted_rows` is 0.
grain: [listener, source, origin, file]
columns:
  listener: plays.listener
  source: plays.source
  origin: row_outcomes.origin
  file: row_outcomes.file
  input_rows: bigint! Rows received in the file.
  kept_rows: bigint! Rows that became a play.
  duplicate_rows: bigint! Rows that repeat another row of the same source.
  superseded_rows: bigint! Rows whose play a richer source tells better.
  rejected_rows: bigint! Rows that could not be read; `history_rejects` and `recent_rejects` hold their text.
  unaccounted_rows: bigint! Rows received less the four above.
*/
WITH inputs AS (
    SELECT listener, source, export AS origin, file, rows AS input_rows
    FROM history_files
    UNION ALL
    SELECT
        listener,
        'recent' AS source,
        DATE_FORMAT(collected_on, '%Y-%m-%d') AS origin,
        page AS file,
        rows AS input_rows
    FROM recent_pages
),

counted AS (
    SELECT
        listener,
        source,
        origin,
        file,
        input_rows,
        0 AS kept_rows,
        0 AS duplicate_rows,
        0 AS superseded_rows,
        0 AS rejected_rows
    FROM inputs
    UNION ALL
    SELECT
        listener,
        source,
        origin,
        file,
        0 AS input_rows,
        CASE WHEN outcome = 'kept' THEN rows ELSE 0 END AS kept_rows,
        CASE WHEN outcome = 'duplicate' THEN rows ELSE 0 END AS duplicate_rows,
        CASE WHEN outcome = 'superseded' THEN rows ELSE 0 END AS superseded_rows,
        CASE WHEN outcome = 'rejected' THEN rows ELSE 0 END AS rejected_rows
    FROM row_outcomes
)

SELECT
    listener,
    source,
    origin,
    file,
    SUM(input_rows) AS input_rows,
    SUM(kept_rows) AS kept_rows,
    SUM(duplicate_rows) AS duplicate_rows,
    SUM(superseded_rows) AS superseded_rows,
    SUM(rejected_rows) AS rejected_rows,
    SUM(input_rows - kept_rows - duplicate_rows - superseded_rows - rejected_rows) AS unaccounted_rows
FROM counted
GROUP BY listener, source, origin, file
