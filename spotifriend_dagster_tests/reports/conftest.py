"""Lakes with simulated listeners, from their exports through the real cleaning, SQL and publishing, and their pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.engine import DuckDBEngine
from spotifriend_dagster.lake.parquet import to_parquet
from spotifriend_dagster.lake.publishing import publish
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.reports.summary import write_summary
from spotifriend_dagster.tables.cleaned import CLEANED_TABLES
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.insights.made_runs import RUNS
from spotifriend_dagster_tests.insights.made_snapshots import SNAPSHOTS
from spotifriend_dagster_tests.insights.simulated import cleaned_tables
from spotifriend_dagster_tests.reports.made_figures import HOSTILE

ROBIN, ANA, TOM = "robin", "ana", "tom"
NAMES = {ROBIN: "Robin <b>& Co</b>", ANA: "Ana", TOM: "Tom"}
EXPORTED = datetime(2025, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLLED = [EXPORTED + HOUR * number for number in range(24 * 15) if not 24 * 3 < number < 24 * 11]
"""Hourly, but for an outage of eight days."""


def lake_of(root: Path, tables: dict[str, pd.DataFrame], listeners: list[str]) -> Lake:
    """A lake with these cleaned tables, those not given being empty, and every insight published from them."""
    storage = FolderStorage(root)
    lake_catalog = FolderCatalog(storage)
    for table in DECLARED_TABLES:
        keys = [key.name for key in table.partition_keys]
        for values, rows in tables[table.name].groupby(keys) if table.name in tables else ():
            folder = "/".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
            storage.write(f"{table.folder}/{folder}/all.parquet", to_parquet(rows[list(table.column_names)], table))
        lake_catalog.put(glue_table_input(table, storage.uri(table.folder + "/"), listeners=listeners), None)
    engine = DuckDBEngine(storage, lake_catalog)
    for insight in load_insights().values():
        assert publish(insight, engine, lake_catalog, storage).outcome == "published"
    return Lake(storage, lake_catalog, engine)


def simulated_truths() -> dict[str, Truth]:
    """Robin has listened for two years; Ana for a season, and asked for her account data only; Tom played ten times."""
    tom = simulate(13, start=date(2024, 11, 1), years=0.03, plays_per_day=20)
    return {
        ROBIN: simulate(11, start=date(2022, 12, 1), years=2.15, plays_per_day=9),
        ANA: simulate(12, start=date(2024, 7, 1), years=0.4, plays_per_day=15, home="America/New_York"),
        TOM: replace(tom, events=tom.events.head(10)),
    }


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The three listeners' lake. What Robin hears most has hostile names, and days of his were missed by the polls.

    He alone has signed in, so that more is known of him than his plays.
    """
    folder = tmp_path_factory.mktemp("exports")
    truths = simulated_truths()
    told = {
        ROBIN: cleaned_tables(ROBIN, truths[ROBIN], folder, era="2025", cutoff=EXPORTED, polls=POLLED),
        ANA: cleaned_tables(ANA, truths[ANA], folder, era="account", cutoff=EXPORTED),
        TOM: cleaned_tables(TOM, truths[TOM], folder, era="2025", cutoff=EXPORTED),
    }
    plays = told[ROBIN]["plays"]
    for column, tables in (("artist_name", ("plays", "play_hours")), ("track_name", ("plays",))):
        most = plays.loc[plays["is_counted"], column].value_counts().index
        names = dict(zip(most, HOSTILE, strict=False))
        for table in tables:
            told[ROBIN][table][column] = told[ROBIN][table][column].replace(names)
    tables = {
        table.name: pd.concat([told[listener][table.name] for listener in told], ignore_index=True)
        for table in CLEANED_TABLES
    }
    tables |= {name: made_of(told[ROBIN]["plays"]) for name, made_of in (SNAPSHOTS | RUNS).items()}
    return lake_of(tmp_path_factory.mktemp("lake"), tables, [*told, "nobody"])


@pytest.fixture(scope="session")
def page(lake: Lake) -> Callable[[str, str], Path]:
    """`page(listener, period)` is the file of that summary, made once."""
    made: dict[tuple[str, str], Path] = {}

    def write(listener: str, period: str) -> Path:
        if (listener, period) not in made:
            key = write_summary(lake.reader(listener), lake.storage, NAMES[listener], period)
            made[listener, period] = lake.storage.path(key)
        return made[listener, period]

    return write
