"""What the stand-in says of Athena is Trino's own word: the same tables in the same Glue and S3, asked on both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster_tests.aws.asked import client, ended, executed, rows, started
from spotifriend_dagster_tests.aws.athena import Engine
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.duckdb_engine import READABLE, DuckDBEngine
from spotifriend_dagster_tests.aws.made_tables import define, keys, put, put_json, put_parquet, read
from spotifriend_dagster_tests.aws.server import BUCKET, DATABASE, REGION, AwsServer, aws_server
from spotifriend_dagster_tests.aws.trino_engine import TrinoEngine
from spotifriend_dagster_tests.trino.local_trino import LocalTrino, TrinoMissing, TrinoRefuses, trino_over_aws

pytestmark = [pytest.mark.trino, pytest.mark.timeout(1200)]  # the first test waits for Maven

GLUE_TYPES = ("string", "bigint", "int", "double", "boolean", "timestamp", "date", "array<string>")
HELD = {
    "int32": pa.array([1], pa.int32()),
    "int64": pa.array([1], pa.int64()),
    "double": pa.array([1.5]),
    "float": pa.array([1.5], pa.float32()),
    "string": pa.array(["x"]),
    "bool": pa.array([True]),
    "date32[day]": pa.array([0], pa.date32()),
    "timestamp": pa.array([1500], pa.timestamp("us")),
    "list": pa.array([["a", None]]),
}


@dataclass
class Both:
    """One AWS, and the two engines that its Athena may have."""

    server: AwsServer
    engines: dict[str, Engine]
    trino: LocalTrino

    def rows(self, sql: str) -> list[Any]:
        """The rows of a query, in no order: the same on both engines."""
        found = {}
        for name, engine in self.engines.items():
            self.server.athena.engine = engine
            found[name] = sorted(rows(sql), key=str)
        assert found["duckdb"] == found["trino"]
        return found["trino"]

    def reasons(self, sql: str) -> dict[str, str]:
        """By engine, why a query fails; "" where it does not."""
        found = {}
        for name, engine in self.engines.items():
            self.server.athena.engine = engine
            found[name] = ended(started(sql))["Status"].get("StateChangeReason", "")
        return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One AWS with both engines."""
    with aws_server() as server, pytest.MonkeyPatch.context() as patched:
        use(server, patched)
        try:
            with trino_over_aws(tmp_path_factory.mktemp("trino"), server.url, REGION, DATABASE) as trino:
                yield Both(server, {"trino": TrinoEngine(trino), "duckdb": DuckDBEngine(REGION)}, trino)
        except TrinoMissing as missing:
            pytest.skip(str(missing))


@pytest.mark.parametrize("held", HELD)
def test_which_columns_of_files_are_readable_is_what_trino_says(both: Both, held: str) -> None:
    """A type that Trino reads is not refused, one that it refuses is not read; the values are the same."""
    readable = []
    for declared in GLUE_TYPES:
        name = f"held_{''.join(filter(str.isalnum, held + declared))}"
        define(name, {"x": declared})
        put_parquet(f"{name}/part.parquet", {"x": HELD[held]})
        reasons = both.reasons(f"SELECT x FROM {name}")
        assert bool(reasons["trino"]) == bool(reasons["duckdb"]), (declared, reasons)
        if not reasons["trino"]:
            readable.append(declared)
            both.rows(f"SELECT x FROM {name}")
    assert set(readable) == set(READABLE[held])


def test_projected_partitions_are_those_that_trino_looks_into(both: Both) -> None:
    """Ranges, days up to now, values out of range, predicates of each kind, and the folder that the template says."""
    today = datetime.now(UTC).date()
    projection = {
        "listener.type": "enum",
        "listener.values": "anna,ben",
        "year.type": "integer",
        "year.range": "2024,2026",
        "dt.type": "date",
        "dt.format": "yyyy-MM-dd",
        "dt.range": f"{today - timedelta(2)},NOW",
    }
    define("projected", {"song": "string"}, {"listener": "string", "year": "int", "dt": "string"}, projection)
    for listener in ("anna", "ben", "zoe"):
        for year in (2023, 2024, 2026):
            for days in (-3, -2, 0, 2):
                folder = f"projected/listener={listener}/year={year}/dt={today + timedelta(days)}"
                put_parquet(f"{folder}/part.parquet", {"song": [f"{listener} {year} {days}"]})
    assert len(both.rows("SELECT song FROM projected")) == 2 * 2 * 2
    for where, count in (
        ("listener = 'anna'", 4),
        ("listener IN ('anna', 'zoe')", 4),
        ("year = 2023", 0),
        ("year > 2024 AND listener <> 'anna'", 2),
        ("year BETWEEN 2020 AND 2024", 4),
        (f"dt = '{today}'", 4),
        (f"dt >= '{today - timedelta(1)}' AND year = 2026", 2),
        ("song LIKE 'anna%' OR year = 2026", 6),
    ):
        assert len(both.rows(f"SELECT song, listener, year, dt FROM projected WHERE {where}")) == count, where


def test_a_location_without_a_template_gets_a_second_slash_on_trino(both: Both) -> None:
    """Why a table's definition says where its partitions lie: Trino's own guess finds nothing."""
    location = define(
        "guessed", {"song": "string"}, {"year": "int"}, {"year.type": "integer", "year.range": "2025,2025"}
    )
    table = client("glue").get_table(DatabaseName=DATABASE, Name="guessed")["Table"]
    definition = {key: table[key] for key in ("Name", "TableType", "PartitionKeys", "StorageDescriptor", "Parameters")}
    put_parquet("guessed/year=2025/part.parquet", {"song": ["here"]})
    assert both.rows("SELECT song FROM guessed") == [("here",)]
    del definition["Parameters"]["storage.location.template"]
    client("glue").update_table(DatabaseName=DATABASE, TableInput=definition)
    assert location.endswith("/")
    both.server.athena.engine = both.engines["trino"]
    assert rows("SELECT song FROM guessed") == []


def test_raw_json_lines_are_read_alike(both: Both) -> None:
    """Names in any case, texts as texts, numbers and objects where a text is declared, what is missing or unknown."""
    define("lines", {"page": "int", "payload": "string", "row": "bigint"}, form="json")
    put_json(
        "lines/a.jsonl.gz",
        [
            {"page": 0, "payload": '{"items": [1, "ü"]}', "row": 2**40, "unknown": {"a": 1}},
            {"PAGE": 1, "Payload": 'no JSON, "quoted"\nover lines'},
            {"page": None, "payload": None},
            {"page": 2, "payload": 7},
            {"page": 3, "payload": True},
            {"page": 4, "payload": {"items": [1, None, "x"]}},
            {},
        ],
    )
    assert len(both.rows('SELECT page, payload, "row" FROM lines')) == 7


def test_broken_files_fail_alike(both: Both) -> None:
    """Half a line of JSON, and what is no Parquet."""
    define("broken_lines", {"page": "int"}, form="json")
    put_json("broken_lines/a.jsonl.gz", ["{half a line"])
    define("broken_parquet", {"page": "int"})
    put("broken_parquet/a.parquet", b"PAR1 and then the power failed PAR1")
    for table in ("broken_lines", "broken_parquet"):
        reasons = both.reasons(f"SELECT page FROM {table}")
        assert all(reason.startswith("HIVE_") for reason in reasons.values()), reasons


def test_files_that_lack_columns_and_hidden_ones_are_read_alike(both: Both) -> None:
    """By name, whatever their order; `_` and `.` begin names of what is no data."""
    define("grown", {"a": "string", "b": "bigint"})
    put_parquet("grown/old.parquet", {"a": ["old"]})
    put_parquet("grown/new", {"b": [2], "c": [1], "a": ["new"]})
    put("grown/_temporary", b"x")
    put("grown/empty.parquet", b"")
    assert both.rows("SELECT a, b FROM grown") == [("new", "2"), ("old", None)]


def test_what_is_counted_of_a_query_is_no_less_than_what_trino_asks_of_s3(both: Both) -> None:
    """Bytes and requests are an upper bound, for a question about one listener and a month."""
    projection = {
        "listener.type": "enum",
        "listener.values": ",".join(f"l{number}" for number in range(50)),
        "year.type": "integer",
        "year.range": "2006,2027",
    }
    define("much", {"a": "bigint", "b": "bigint", "at": "timestamp"}, {"listener": "string", "year": "int"}, projection)
    numbers = list(range(20_000))
    held = pa.table({"a": numbers, "b": numbers, "at": pa.array(numbers, pa.timestamp("ms"))})
    for listener in ("l7", "l8"):
        for year in range(2021, 2026):
            put_parquet(f"much/listener={listener}/year={year}/part.parquet", held)
    query = (
        "SELECT count(a) AS n FROM much WHERE listener = 'l7' AND year = 2025 AND at < TIMESTAMP '1970-01-01 00:00:10'"
    )
    both.server.athena.engine = both.engines["trino"]
    since = len(both.server.requests)
    said = executed(query)
    asked = [each for each in both.server.requests[since:] if each.service == "s3" and each.key.startswith("much/")]
    plan = both.server.athena.executions[said["QueryExecutionId"]].plan
    assert plan is not None
    assert 0 < len(asked) <= plan.listings + plan.reads
    assert rows(query) == [("10000",)]


def test_unload_is_refused_alike(both: Both) -> None:
    """What Trino has types for and files of Hive have not."""
    for query, reason in (
        (
            "SELECT TIMESTAMP '2025-01-01 12:00:00' AT TIME ZONE 'Europe/Berlin' AS at",
            "NOT_SUPPORTED: Unsupported Hive",
        ),
        ("SELECT NULL AS nothing", "COLUMN_TYPE_UNKNOWN"),
    ):
        with pytest.raises(TrinoRefuses):
            both.trino.run(_written("refused", query))
        statement = f"UNLOAD ({query}) TO 's3://{BUCKET}/refused/' WITH (format = 'PARQUET')"
        assert all(said.startswith(reason) for said in both.reasons(statement).values())


def test_unload_writes_as_trino_writes(both: Both) -> None:
    """Instants as INT96, every column optional, of no rows no file, and never beside other files."""
    query = (
        "SELECT TIMESTAMP '2025-01-01 01:02:03.456' AS at, ARRAY['a'] AS genres, CAST(1 AS bigint) AS n, 'x' AS text"
    )
    both.trino.run(_written("by_trino", query))
    both.server.athena.engine = both.engines["duckdb"]
    executed(f"UNLOAD ({query}) TO 's3://{BUCKET}/by_stand_in/' WITH (format = 'PARQUET')")
    schemas = []
    for folder in ("by_trino", "by_stand_in"):
        (key,) = keys(f"{folder}/")
        file = pq.ParquetFile(pa.BufferReader(read(f"s3://{BUCKET}/{key}")))
        schemas.append([(field.name, str(field.type), field.nullable) for field in file.schema_arrow])
        assert file.schema.column(0).physical_type == "INT96"
    by_trino, by_stand_in = ([(name, kind.replace("item", "element"), may) for name, kind, may in of] for of in schemas)
    assert by_trino == by_stand_in
    both.trino.run(_written("nothing", "SELECT 1 AS n WHERE false"))
    assert keys("nothing/") == []
    with pytest.raises(TrinoRefuses, match="already exists"):
        both.trino.run(_written("again", query, "by_trino"))


def _written(table: str, query: str, folder: str = "") -> str:
    """A statement of Trino that does what an UNLOAD does."""
    where = f"external_location = 's3://{BUCKET}/{folder or table}/', format = 'PARQUET'"
    return f"CREATE TABLE {table} WITH ({where}) AS {query}"
