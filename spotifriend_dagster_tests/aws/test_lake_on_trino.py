"""A whole lake in S3 and Glue, asked by the aws home's own engine, with a real Trino behind it: the rows of DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from spotifriend_dagster.lake.athena import AthenaEngine
from spotifriend_dagster.lake.in_process import ThriftyEngine
from spotifriend_dagster.lake.publishing import publish
from spotifriend_dagster.lake.storage import path_values
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.aws.athena import Engine
from spotifriend_dagster_tests.aws.conftest import use
from spotifriend_dagster_tests.aws.duckdb_engine import DuckDBEngine
from spotifriend_dagster_tests.aws.homes import LISTENER, SIGNED_IN, AwsHome, collect_and_answer, truth
from spotifriend_dagster_tests.aws.server import DATABASE, REGION, AwsServer, aws_server
from spotifriend_dagster_tests.aws.trino_engine import TrinoEngine
from spotifriend_dagster_tests.collected_home import simulated
from spotifriend_dagster_tests.trino.local_trino import TrinoMissing, trino_over_aws

pytestmark = [pytest.mark.trino, pytest.mark.timeout(1200)]  # the first test waits for Maven

INSIGHTS = load_insights()
DAYS = [f"{SIGNED_IN + timedelta(days):%Y-%m-%d}" for days in (-1, 2)]


@dataclass
class Lake:
    """An aws home, and the two engines that its Athena may have."""

    home: AwsHome
    server: AwsServer
    engines: dict[str, Engine]

    @property
    def athena(self) -> AthenaEngine:
        """The home's engine of lakes that are not small."""
        engine = self.home.lake.engine
        assert isinstance(engine, ThriftyEngine) and isinstance(engine.large, AthenaEngine)
        return engine.large

    def rows(self, sql: str, engine: str) -> pd.DataFrame:
        """The rows of a query, ordered by all that is no list."""
        self.server.athena.engine = self.engines[engine]
        found = self.home.lake.engine.query(sql)
        keys = [(each.name, "ascending") for each in found.schema if not pa.types.is_list(each.type)]
        return found.sort_by(keys).to_pandas()

    def assert_same(self, sql: str, name: str) -> int:
        """A query has the same rows on both; how many."""
        on_trino = self.rows(sql, "trino")
        pd.testing.assert_frame_equal(on_trino, self.rows(sql, "duckdb"), rtol=1e-12, obj=name)
        return len(on_trino)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake whose tables are all defined, and have no files."""
    folder = tmp_path_factory.mktemp("home")
    with aws_server() as server, pytest.MonkeyPatch.context() as patched:
        use(server, patched)
        try:
            with (
                trino_over_aws(tmp_path_factory.mktemp("trino"), server.url, REGION, DATABASE) as trino,
                simulated({LISTENER: truth()}, SIGNED_IN) as spotify,
            ):
                home = AwsHome(folder, spotify)
                for table in (*DECLARED_TABLES, *(insight.table for insight in INSIGHTS.values())):
                    location = home.lake.storage.uri(f"{table.folder}/")
                    home.lake.catalog.put(glue_table_input(table, location, listeners=[LISTENER]), None)
                narrow(home)
                yield Lake(home, server, {"trino": TrinoEngine(trino), "duckdb": DuckDBEngine(REGION)})
        except TrinoMissing as missing:
            pytest.skip(str(missing))


@pytest.fixture(scope="module")
def lake(empty: Lake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The same with an export, polls, snapshots, and all that is made of them."""
    collect_and_answer(empty.home, Path(tmp_path_factory.mktemp("export")))
    narrow(empty.home)
    return empty


def narrow(home: AwsHome) -> None:
    """Project three years instead of twenty: each costs Trino two listings of every table."""
    for name in home.lake.catalog.names():
        present = home.lake.catalog.get(name)
        if present and "projection.year.range" in present.parameters:
            narrowed = present.parameters | {"projection.year.range": "2024,2026"}
            home.lake.catalog.put(present.table_input | {"Parameters": narrowed}, present.version)


@pytest.mark.parametrize("name", INSIGHTS)
def test_of_nothing_each_insight_says_the_same(empty: Lake, name: str) -> None:
    """Everything begins with tables without files."""
    empty.assert_same(INSIGHTS[name].query, name)


@pytest.mark.parametrize("name", INSIGHTS)
def test_each_insight_says_the_same_of_a_simulated_listener(lake: Lake, name: str) -> None:
    """Its SQL over the lake's own files, through partitions, Parquet and CSV."""
    lake.assert_same(INSIGHTS[name].query, name)


@pytest.mark.parametrize("table", DECLARED_TABLES, ids=lambda table: table.name)
def test_each_table_is_read_alike(lake: Lake, table) -> None:  # type: ignore[no-untyped-def]
    """Raw as JSON Lines, cleaned as Parquet, with the partition keys of the path."""
    where = {
        "dt": f" WHERE dt BETWEEN '{DAYS[0]}' AND '{DAYS[1]}'",  # a listing for each day
        "export": f" WHERE export = '{_export(lake)}'",
    }
    keys = [key.name for key in table.partition_keys]
    named = next((where[key] for key in keys if key in where), "")
    lake.assert_same(f"SELECT * FROM {table.name}{named}", table.name)


def _export(lake: Lake) -> str:
    key = lake.home.lake.storage.list("raw/streaming_history")[0].key
    return key.partition("export=")[2].partition("/")[0]


PUBLISHED = ("listening_totals", "sessions", "top_by_period", "library_growth")
"""Columns of every type that an insight has."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_insight_that_was_made_in_process_is_read_by_trino(lake: Lake, name: str) -> None:
    """A small lake is answered without Athena, which then reads the files as its own."""
    home = lake.home.lake
    asked = len(lake.server.athena.executions)
    assert publish(INSIGHTS[name], home.engine, home.catalog, home.storage).bytes_scanned == 0
    assert len(lake.server.athena.executions) == asked
    lake.assert_same(f"SELECT * FROM {name}", name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_insight_is_published_by_trino(lake: Lake, name: str) -> None:
    """What is sent as UNLOAD, with every column cast, is a statement of Trino's too, and passes its audits."""
    before = lake.rows(f"SELECT * FROM {name}", "duckdb")
    lake.server.athena.engine = lake.engines["trino"]
    home = lake.home.lake
    assert publish(INSIGHTS[name], lake.athena, home.catalog, home.storage).outcome == "published"
    pd.testing.assert_frame_equal(lake.rows(f"SELECT * FROM {name}", "trino"), before, rtol=1e-12)


JOINED = ("listening_coverage", "top_by_period", "snapshot_track_listening")


@pytest.mark.parametrize("name", JOINED)
def test_a_hundred_of_more_listeners_are_read_from_their_own_folders(
    lake: Lake, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trino takes the listeners of a part down to every scan: ten parts read together what one query would."""
    home, table = lake.home.lake, INSIGHTS[name].table
    for read in INSIGHTS[name].reads:
        present = home.catalog.get(read)
        assert present is not None
        both = present.parameters | {"projection.listener.values": f"nobody,{LISTENER}"}
        home.catalog.put(present.table_input | {"Parameters": both}, present.version)
    monkeypatch.setattr("spotifriend_dagster.lake.athena._MOST_PARTITIONS", 1)
    lake.server.athena.engine = lake.engines["trino"]
    before, folder = len(lake.server.requests), f"{table.folder}/version=parts/"
    lake.athena.unload(INSIGHTS[name].query, table, folder)
    asked = lake.server.requests[before:]
    first, second = (number for number, each in enumerate(asked) if each.operation == "StartQueryExecution")
    for part, own, other in ((asked[first:second], "nobody", LISTENER), (asked[second:], LISTENER, "nobody")):
        listed = [each.key for each in part if each.operation == "ListObjectsV2"]
        assert [key for key in listed if f"listener={own}/" in key]
        assert [key for key in listed if f"listener={other}/" in key] == []
    assert {path_values(stored.key)["listener"] for stored in home.storage.list(folder)} == {LISTENER}
