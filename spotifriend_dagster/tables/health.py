"""The table of runs: what the pipeline itself did. Its records are written after each run, by `automation/`."""

from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.raw import LISTENER

PIPELINE_HEALTH = Table(
    name="pipeline_health",
    layer="cleaned",
    folder="cleaned/pipeline_health",
    description="Every run that has ended, once for each listener whom it worked for: what it did, and what it took. "
    "What is of the run as a whole is the same in each of its rows; `listeners` says by how many to divide it.",
    grain=("listener", "run_id"),
    columns=(
        Column("run_id", "string", "Dagster's id of the run.", nullable=False),
        Column("job", "string", "The job that ran: `poll`, `collect`, `rebuild` …", nullable=False),
        Column("started_at", "timestamp", "When the run started, UTC.", nullable=False),
        Column("ended_at", "timestamp", "When the run ended, UTC.", nullable=False),
        Column("outcome", "string", "`success`, `failure` or `canceled`.", nullable=False),
        Column("failures", "string", "What failed, a sentence for each step; null where nothing did."),
        Column("seconds", "double", "How long the whole run took.", nullable=False),
        Column("listeners", "int", "How many listeners the run worked for.", nullable=False),
        Column("api_calls", "bigint", "Calls of Spotify's Web API for this listener.", nullable=False),
        Column("rows_in", "bigint", "Rows that came from outside for this listener.", nullable=False),
        Column("rows_out", "bigint", "Rows of all tables that the run wrote.", nullable=False),
        Column("rejects", "bigint", "Rows that the run set aside, of the days and exports that it cleaned.", False),
        Column("checks_passed", "int", "Checks that passed.", nullable=False),
        Column("checks_warned", "int", "Checks that did not pass, and warn.", nullable=False),
        Column("checks_failed", "int", "Checks that did not pass, as errors.", nullable=False),
        Column(
            "bytes_scanned",
            "bigint",
            "Bytes that Athena read for insights; 0 where they were made in process.",
            nullable=False,
        ),
        Column(
            "bytes_billed", "bigint", "Bytes of all queries as Athena bills them; null where they were not counted."
        ),
        Column("s3_reads", "bigint", "GET and HEAD requests to S3; null where they were not counted."),
        Column("s3_writes", "bigint", "PUT, COPY, POST and LIST requests to S3; null where they were not counted."),
        Column("memory_mb", "int", "The memory of the Lambda function that ran it; null elsewhere."),
    ),
    partition_keys=(LISTENER, Column("year", "int", "The UTC year of `ended_at`.", nullable=False)),
    year_of="ended_at",
)

HEALTH_TABLES = (PIPELINE_HEALTH,)
"""The tables about the pipeline itself."""
