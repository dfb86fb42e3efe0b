"""`python -m bench.aws`: what the aws home asks of AWS, what that costs, and how long it takes, on the tests' AWS.

What is counted is said in docs/performance.md. An argument scales the histories down (`python -m bench.aws 0.1`).
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from bench.__main__ import FOLDER, ROWS, SPOTIFRIEND, YEARS, ZONE, export_of, measure
from spotifriend_dagster.automation.after_run import after_run
from spotifriend_dagster.automation.runs import run_job
from spotifriend_dagster.automation.staleness import looked_back_to, stale_days
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.lake.io_managers import table_of
from spotifriend_dagster.lake.stored_tables import day_of_rows
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.aws.homes import HOUR, AwsHome
from spotifriend_dagster_tests.aws.planning import Plan, billed_bytes, plan
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, REGION, AwsServer, aws_server
from spotifriend_dagster_tests.collected_home import simulated

USD_PER_GB_AND_MONTH = 0.023
USD_PER_WRITE = 0.005 / 1000
"""PUT, COPY, POST and LIST; DELETE is free."""
USD_PER_READ = 0.0004 / 1000
"""GET and HEAD."""
USD_PER_TB_SCANNED = 5.0
USD_PER_GLUE_OBJECT_OR_REQUEST = 0.0
"""The first million of each in a month is free; SSM's standard parameters are, too."""
PRICES_OF = "us-east-1, list prices of 2025"

AGE_YEARS = 5
MANY_LISTENERS = 1000
LISTENER = "me"
LAST_DAY = date(2025, 8, 1)
_DAYS_OF_LOOKING_UP = 3
_WRITES = ("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


@dataclass
class Day:
    """What one day asked for, in a lake that had collected for `age` days before it.

    `own` are the requests by operation, `places` by operation and table; `queries` are the plans of what Athena ran.
    """

    age: int
    own: Counter[str]
    places: Counter[tuple[str, str]]
    queries: list[Plan]
    stored: int

    @property
    def listings(self) -> int:
        return self.own["ListObjectsV2"]

    @property
    def reads(self) -> int:
        return self.own["GetObject"] + self.own["HeadObject"]

    @property
    def writes(self) -> int:
        return sum(self.own[operation] for operation in _WRITES)

    @property
    def requests(self) -> int:
        return self.listings + self.reads + self.writes + self.own["DeleteObjects"]

    @property
    def athena_listings(self) -> int:
        return sum(query.listings for query in self.queries)

    @property
    def athena_reads(self) -> int:
        return sum(query.reads for query in self.queries)

    @property
    def billed(self) -> int:
        return sum(billed_bytes(query.bytes) for query in self.queries)


def bench_day(scale: float) -> None:
    """The S3 requests of an ordinary day, and what a listener costs, at the age of five years.

    A day is 24 polls, one collection and one rebuild, each with what follows a run. The history is an export of five
    years; the days of collection before are copies of an ordinary one, in raw, cleaned and the records of runs: not of
    the first ones, which look up whatever the export holds.
    """
    young, old = (measured_day(age, scale) for age in (10, round(AGE_YEARS * 365.25)))
    print("\n## An ordinary day of one listener\n")
    print(f"| | after {young.age} days | after {AGE_YEARS} years |\n|---|---|---|")
    for what, name in (
        ("S3 requests", "requests"),
        ("of them listings", "listings"),
        ("reads", "reads"),
        ("writes", "writes"),
        ("listings by Athena", "athena_listings"),
        ("reads by Athena, at most", "athena_reads"),
    ):
        print(f"| {what} | {getattr(young, name):,} | {getattr(old, name):,} |")
    print(f"| queries | {len(young.queries)} | {len(old.queries)} |")
    print(f"| stored, MB | {young.stored / 1e6:,.1f} | {old.stored / 1e6:,.1f} |")
    print(f"\n| after {AGE_YEARS} years, most are | |\n|---|---|")
    for (operation, place), times in old.places.most_common(12):
        print(f"| {operation} {place} | {times:,} |")
    scans = Counter(scan.table.name for query in old.queries for scan in query.scans for _ in scan.partitions)
    for name, times in scans.most_common(3):
        print(f"| listings of {name} by Athena | {times:,} |")
    costs = {
        "storage": old.stored / 1e9 * USD_PER_GB_AND_MONTH * 12,
        "requests": 365 * ((old.writes + old.listings) * USD_PER_WRITE + old.reads * USD_PER_READ),
        "requests by Athena": 365 * (old.athena_listings * USD_PER_WRITE + old.athena_reads * USD_PER_READ),
        "Athena": 365 * old.billed / 1e12 * USD_PER_TB_SCANNED,
        "Glue and parameters": USD_PER_GLUE_OBJECT_OR_REQUEST,
    }
    print(f"\n| USD per listener and year, at the age of {AGE_YEARS} years ({PRICES_OF}) | |\n|---|---|")
    for what, usd in costs.items():
        print(f"| {what} | {usd:.2f} |")
    print(f"| together | {sum(costs.values()):.2f} |", flush=True)


def listener_of(scale: float) -> Truth:
    """Somebody of whom there are five years, until the summer of 2025."""
    years = AGE_YEARS * scale
    return simulate(4, start=LAST_DAY - timedelta(days=365 * years), years=years, plays_per_day=30, home=ZONE)


def measured_day(age: int, scale: float) -> Day:
    """An ordinary day after so many others."""
    truth = listener_of(scale)
    folder = FOLDER / "aws-day"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    night = truth.end.to_pydatetime().replace(hour=0, minute=7, second=0) - timedelta(days=4)
    write_export(truth, folder / "export.zip", era="2023", cutoff=night - timedelta(days=2))
    with in_aws() as server, simulated({LISTENER: truth}, night) as spotify:
        home = AwsHome(folder / "home", spotify)
        home.sign_in(LISTENER)
        assert home.import_export(folder / "export.zip", LISTENER).success
        first = datetime.fromisoformat(home.today)
        for _ in range(_DAYS_OF_LOOKING_UP):
            run(home, "poll", [home.today])
            run(home, "collect", [home.today])
            home.server.clock.advance(24 * HOUR)
        forget_records()
        ordinary = datetime.fromisoformat(home.today)
        whole_day(home)
        rebuild(home)
        copied_back(first, ordinary, age)
        since, queries = len(server.requests), len(server.athena.executions)
        whole_day(home)
        asked = [each for each in server.requests[since:] if each.service == "s3"]
        return Day(
            age,
            Counter(each.operation for each in asked),
            Counter((each.operation, "/".join(each.key.split("/")[:2])) for each in asked),
            [each.plan for each in list(server.athena.executions.values())[queries:] if each.plan],
            sum(stored.size for key, stored in objects().items() if not key.startswith("athena-results/")),
        )


def whole_day(home: AwsHome) -> None:
    """Polls every hour, the collection and the rebuild of the night."""
    for hour in range(24):
        run(home, "poll", [home.today])
        if hour == 2:
            run(home, "collect", [home.today])
        if hour == 3:
            rebuild(home)
        home.server.clock.advance(HOUR)


def rebuild(home: AwsHome) -> None:
    """As the schedule does, of a night that is not Monday's."""
    tuesday = home.server.clock() - timedelta(days=(home.server.clock().weekday() - 1) % 7)
    run(home, "rebuild", stale_days(home.lake.storage, looked_back_to(tuesday)))


def run(home: AwsHome, job: str, days: list[str]) -> None:
    """A run, and what follows it."""
    outcome = run_job(home._whole, job, home.instance, days=days)  # with the checks of the job, which ask, too
    assert outcome.success, outcome.failures
    after_run(home.lake, home.instance, outcome.run_id, (), datetime.now(UTC))


def objects() -> Mapping[str, Any]:
    """The objects of the bucket, straight from moto's memory."""
    found: Mapping[str, Any] = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys
    return found


def copied_back(first: datetime, ordinary: datetime, count: int) -> None:
    """Let the lake have collected so many days before its first one: each is an ordinary one, with its own dates."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    records = {key: stored.value for key, stored in objects().items() if key.startswith("health/dt=")}
    forget_records()
    of_day = {key: stored.value for key, stored in objects().items() if f"dt={ordinary:%Y-%m-%d}" in key}
    years = {key: stored.value for key, stored in objects().items() if key.endswith(f"/{first.year}.parquet")}
    earlier_days = [first - timedelta(days=back) for back in range(count, 0, -1)]
    for back, earlier in enumerate(reversed(earlier_days), 1):
        for key, content in of_day.items():
            backend.put_object(BUCKET, in_words(key, ordinary, earlier), content)
        for key, content in records.items():  # runs have this machine's clock
            name = key.rpartition("/")[2].removesuffix(".json")
            renamed = content.replace(name.encode(), f"{name}-{back}".encode())
            day = datetime.now(UTC) - timedelta(days=back)
            backend.put_object(BUCKET, f"health/dt={day:%Y-%m-%d}/{name}-{back}.json", renamed)
    for key, content in years.items():
        rows = pq.read_table(pa.BufferReader(content))
        day = day_of_rows(rows, table_of(key.split("/")[:2]))
        of_ordinary = rows.filter(pc.equal(day, f"{ordinary:%Y-%m-%d}"))
        for year in range(earlier_days[0].year, first.year + 1):
            parts = [shifted(of_ordinary, ordinary, earlier) for earlier in earlier_days if earlier.year == year]
            of_year = pa.concat_tables([*parts, *([rows] if year == first.year else [])])
            target = BytesIO()
            pq.write_table(of_year.combine_chunks(), target, compression="zstd", store_schema=False)
            backend.put_object(BUCKET, key.replace(f"{first.year}", f"{year}"), target.getvalue())


def forget_records() -> None:
    """Remove the records of runs so far."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for key in [key for key in objects() if key.startswith("health/dt=")]:
        backend.delete_object(BUCKET, key)


def shifted(rows: pa.Table, day: datetime, earlier: datetime) -> pa.Table:
    """The rows of a cleaned day, as those of an earlier one."""
    back = (day - earlier) // timedelta(milliseconds=1)
    for place, column in enumerate(rows.schema):
        values: Any = rows.column(place)
        if pa.types.is_temporal(column.type):
            values = pc.subtract(values.cast(pa.timestamp("ms")), pa.scalar(back, pa.duration("ms")))
        elif pa.types.is_string(column.type):
            values = pc.replace_substring(values, f"{day:%Y%m%d}", f"{earlier:%Y%m%d}")
        rows = rows.set_column(place, column, values.cast(column.type))
    return rows


def in_words(text: str, day: datetime, earlier: datetime) -> str:
    """A key with one day's dates in the place of another's."""
    return text.replace(f"{day:%Y-%m-%d}", f"{earlier:%Y-%m-%d}").replace(f"{day:%Y%m%d}", f"{earlier:%Y%m%d}")


def bench_questions(scale: float) -> None:
    """What Athena lists and reads for a question about one listener and a month, and for each insight itself.

    The lake is what an export of five years makes; of a thousand listeners the others are listed only, as pruning is
    what matters, and an insight's own query reads a thousand times as much as of one.
    """
    truth = listener_of(scale)
    folder = FOLDER / "aws-questions"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_export(truth, folder / "export.zip", era="2023")
    with in_aws(), simulated({LISTENER: truth}, truth.end.to_pydatetime()) as spotify:
        home = AwsHome(folder / "home", spotify)
        home.add(LISTENER)
        assert home.import_export(folder / "export.zip", LISTENER).success
        insights = load_insights()
        own = {name: plan(insight.query, DATABASE, REGION) for name, insight in insights.items()}
        month = truth.end.to_pydatetime().replace(day=1) - timedelta(days=20)
        of_plays = (
            "SELECT track_name, COUNT(*) AS plays, SUM(ms_played) AS ms FROM plays "
            f"WHERE listener = '{LISTENER}' AND date_trunc('month', started_at) = TIMESTAMP '{month:%Y-%m-01}' "
            "GROUP BY 1"
        )
        of_insight = f"SELECT * FROM top_by_period WHERE listener = '{LISTENER}' AND period = '{month:%Y-%m}'"
        of_all = {name: f"SELECT * FROM {name} WHERE listener = '{LISTENER}'" for name in insights}
        questions = {"plays": of_plays, **of_all, "top_by_period": of_insight}
        of_one = {name: plan(sql, DATABASE, REGION) for name, sql in questions.items()}
        crowd(home)
        of_many = {name: plan(sql, DATABASE, REGION) for name, sql in questions.items()}
    print(
        "\n## A question about one listener and one month\n\n| of | listeners | bytes | requests |\n|---|---|---|---|"
    )
    largest = max(of_all, key=lambda name: of_many[name].bytes)
    for name in dict.fromkeys(("plays", "top_by_period", largest)):
        for listeners, found in ((1, of_one[name]), (MANY_LISTENERS, of_many[name])):
            print(f"| {name} | {listeners:,} | {found.bytes:,} | {found.listings + found.reads:,} |")
    print("\n## What Athena reads for each insight itself\n")
    print(f"| insight | MB of one listener | requests | MB of {MANY_LISTENERS:,} |\n|---|---|---|---|")
    for name, found in sorted(own.items(), key=lambda item: -item[1].bytes):
        megabytes = found.bytes / 1e6
        print(f"| {name} | {megabytes:.2f} | {found.listings + found.reads} | {megabytes * MANY_LISTENERS:,.0f} |")
    sys.stdout.flush()


def crowd(home: AwsHome) -> None:
    """Let there be a thousand listeners: definitions that name them, and the keys of their files."""
    listeners = [LISTENER, *(f"listener-{number:04d}" for number in range(1, MANY_LISTENERS))]
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    catalog = home.lake.catalog
    for table in (*DECLARED_TABLES, *(insight.table for insight in load_insights().values())):
        present = catalog.get(table.name)
        if present and "projection.listener.values" in present.parameters:
            everybody = present.parameters | {"projection.listener.values": ",".join(sorted(listeners))}
            catalog.put_if_different(present.table_input | {"Parameters": everybody})
    for key in [key for key in objects() if key.startswith(("cleaned/plays/", "insights/"))]:
        for listener in listeners[1:]:
            backend.put_object(BUCKET, key.replace(f"listener={LISTENER}/", f"listener={listener}/"), b"listed only")


def bench_graph(scale: float) -> None:
    """The whole graph over fifteen years in both homes, by the command line."""
    export = export_of(int(ROWS * scale), YEARS)
    command = [SPOTIFRIEND, "import", str(export), "--zone", ZONE]
    home = FOLDER / "home"
    shutil.rmtree(home, ignore_errors=True)
    local, _ = measure(command, home)
    shutil.rmtree(home, ignore_errors=True)
    with in_aws() as server:
        cloud, _ = measure(command, home)
        stand_in = server.athena.seconds
        asked = len(server.requests)
    print(
        f"\n## The whole graph over {YEARS} years, {int(ROWS * scale):,} rows\n\nIn the folder {local:.1f} s; on the "
        f"tests' AWS {cloud:.1f} s with {asked:,} requests, of which the stand-in for Athena took {stand_in:.1f} s: "
        f"without it {(cloud - stand_in) / local:.2f} times as long."
    )


@contextmanager
def in_aws() -> Iterator[AwsServer]:
    """A new AWS, which the environment names, with the settings of an aws home."""
    logging.getLogger("dagster").setLevel(logging.ERROR)
    with aws_server() as server:
        server.athena.rows_per_file = 1_000_000  # what is ordered is written by one writer
        of_home = {"DEPLOYMENT": "aws", "BUCKET": BUCKET, "REGION": REGION, "GLUE_DATABASE": DATABASE}
        added = server.environment() | {f"SPOTIFRIEND_{name}": value for name, value in of_home.items()}
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            yield server
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def main() -> None:
    """Measure everything."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    FOLDER.mkdir(exist_ok=True)
    bench_questions(scale)
    bench_day(scale)
    bench_graph(scale)


if __name__ == "__main__":
    main()
