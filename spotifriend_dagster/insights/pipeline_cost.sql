/*
description: Per month and job, what a listener's share of the pipeline costs on AWS, by list prices of us-east-1. A run
  is paid for in equal parts by the listeners whom it worked for. Storage, and requests of runs that did not count
  them, are left out.
grain: [listener, month, job]
columns:
  listener: pipeline_health.listener!
  month: date! The UTC month in which runs ended, by its first day.
  job: pipeline_health.job
  runs: bigint! Runs that ended.
  uncounted_runs: bigint! Of them, those of which nobody counted the requests.
  seconds: double! The listener's share of their time.
  usd_lambda: double! Its price where Lambda ran them, by seconds and memory.
  usd_s3: double! The price of the requests to S3.
  usd_athena: double! The price of the bytes that Athena read, of each query at least 10 MB where that is known.
  usd: double! All three.
  prices_of: date! When the prices were looked up.
*/
WITH prices AS (
    SELECT
        1.66667E-5 AS usd_per_gb_second,
        4E-7 AS usd_per_s3_read,
        5E-6 AS usd_per_s3_write,
        5E-12 AS usd_per_byte,
        DATE '2025-11-01' AS prices_of
),

shares AS (
    SELECT
        runs.listener,
        CAST(DATE_TRUNC('month', runs.ended_at) AS DATE) AS month,
        runs.job,
        prices.prices_of,
        runs.s3_reads IS NULL AS is_uncounted,
        runs.seconds / runs.listeners AS seconds,
        runs.seconds / runs.listeners * COALESCE(runs.memory_mb, 0) / 1024E0 * prices.usd_per_gb_second AS usd_lambda,
        (
            COALESCE(runs.s3_reads, 0) * prices.usd_per_s3_read
            + COALESCE(runs.s3_writes, 0) * prices.usd_per_s3_write
        ) / runs.listeners AS usd_s3,
        COALESCE(runs.bytes_billed, runs.bytes_scanned) * prices.usd_per_byte / runs.listeners AS usd_athena
    FROM pipeline_health AS runs
    CROSS JOIN prices
)

SELECT
    listener,
    month,
    job,
    COUNT(*) AS runs,
    COUNT_IF(is_uncounted) AS uncounted_runs,
    SUM(seconds) AS seconds,
    SUM(usd_lambda) AS usd_lambda,
    SUM(usd_s3) AS usd_s3,
    SUM(usd_athena) AS usd_athena,
    SUM(usd_lambda + usd_s3 + usd_athena) AS usd,
    MAX(prices_of) AS prices_of
FROM shares
GROUP BY listener, month, job
