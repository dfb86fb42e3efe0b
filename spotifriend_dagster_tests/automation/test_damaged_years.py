"""A year of cleaned days that cannot be read is made anew from raw, all of it, wherever the lake is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from spotifriend_dagster.assets.cleaned import recent_asset
from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.automation.runs import range_tags
from spotifriend_dagster.automation.staleness import stale_days
from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.days import OF_POLLS
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import FolderStorage, Storage
from spotifriend_dagster.lake.stored_tables import StoredTable, year_file
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster_tests.aws.conftest import aws  # noqa: F401 - a fixture
from spotifriend_dagster_tests.aws.server import BUCKET, REGION
from spotifriend_dagster_tests.cleaning.received import polled

POLLED = ("2024-12-27", "2024-12-28", "2024-12-30", "2025-01-01")
LATE = date(2025, 1, 1)
DAYS = days_from(date(2024, 12, 26))
ASSETS = [recent_asset(DAYS), dg.AssetSpec(asset_key(RECENTLY_PLAYED), partitions_def=DAYS)]


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Where a lake is: at home, or in AWS."""
    if getattr(request, "param", "folder") == "folder":
        return FolderStorage(tmp_path)
    request.getfixturevalue("aws")
    return S3Storage(AwsClients(REGION), BUCKET, "lake")


@pytest.fixture
def lake(storage: Storage) -> Storage:
    """A lake in which four days of a play and of an item that is none are cleaned."""
    for day in POLLED:
        poll(storage, day)
    assert clean(storage, POLLED[0], POLLED[-1]).success
    assert stale_days(storage) == []
    return storage


def poll(storage: Storage, day: str) -> None:
    at = datetime.fromisoformat(day).replace(hour=20, tzinfo=UTC)
    item = polled() | {"played_at": f"{day}T12:00:00Z"}
    write_pull(storage, RECENTLY_PLAYED, "anna", at, [("me/player/recently-played", {"items": [item, {}]})])


def clean(storage: Storage, first: str, last: str) -> dg.ExecuteInProcessResult:
    resources = {"table_io_manager": TableIOManager(storage)}
    tags = range_tags([first, last])
    return dg.materialize(ASSETS, resources=resources, tags=tags, raise_on_error=False)


def damage(storage: Storage, table: Table, year: str = "2024") -> str:
    key = year_file(table, "anna", year)
    content = storage.read(key)
    storage.write(key, content[: len(content) // 2])
    return key


def days_in(storage: Storage, table: Table) -> list[str]:
    days = StoredTable(storage, table).frame("anna")[table.day_of]
    return sorted(pd.to_datetime(days).dt.strftime("%Y-%m-%d"))


def told_damaged(result: dg.ExecuteInProcessResult) -> list[str]:
    events = result.get_asset_materialization_events()
    said = [event.step_materialization_data.materialization.metadata.get("damaged") for event in events]
    return [key for one in said if one for key in one.value]


@pytest.mark.parametrize(
    ("storage", "table"),
    [("folder", RECENT_PLAYS), ("folder", RECENT_PAGES), ("folder", RECENT_REJECTS), ("s3", RECENT_PLAYS)],
    indirect=["storage"],
    ids=["plays", "pages", "rejects", "plays in AWS"],
)
def test_a_damaged_year_is_stale_and_made_anew(lake: Storage, table: Table) -> None:
    """Also on a night that looks a month back. It once failed every rebuild until somebody removed the file."""
    key = damage(lake, table)
    assert stale_days(lake, LATE) == list(POLLED[:3])
    result = clean(lake, POLLED[0], POLLED[2])
    assert result.success
    assert told_damaged(result) == [key]
    assert [days_in(lake, each) for each in OF_POLLS] == [list(POLLED)] * 3
    assert stale_days(lake) == []


@pytest.mark.parametrize("table", [RECENT_PLAYS, RECENT_PAGES], ids=["plays", "pages"])
def test_a_run_of_one_day_over_a_damaged_year_leaves_the_others_to_the_next(lake: Storage, table: Table) -> None:
    """Somebody cleans a day by hand, or Lambda two months at a time: what the file held is forgotten by nobody."""
    damage(lake, table)
    assert clean(lake, POLLED[1], POLLED[1]).success
    assert stale_days(lake) == [POLLED[0], POLLED[2]]
    assert clean(lake, POLLED[0], POLLED[2]).success
    assert [days_in(lake, each) for each in OF_POLLS] == [list(POLLED)] * 3
    assert stale_days(lake) == []


def test_a_day_that_nothing_can_make_again_is_not_given_up(lake: Storage) -> None:
    """Its raw objects are gone, and the damaged file may be all that there is: only who says so goes without."""
    key = damage(lake, RECENT_PLAYS)
    before = lake.read(key)
    gone = f"{RECENTLY_PLAYED.folder}/listener=anna/dt={POLLED[0]}"
    lake.delete([stored.key for stored in lake.list(gone)])
    result = clean(lake, POLLED[1], POLLED[2])
    (failure,) = [event for event in result.all_node_events if event.is_step_failure]
    said = str(failure.step_failure_data.error.cause or failure.step_failure_data.error)
    command = "spotifriend run --from 2024-12-26 --to 2024-12-31"
    assert f"Of {POLLED[0]}, which it holds, nothing is left in raw. Put back a copy" in said
    assert command in said
    assert lake.read(key) == before
    assert clean(lake, "2024-12-26", "2024-12-31").success
    assert days_in(lake, RECENT_PLAYS) == list(POLLED[1:])
    assert days_in(lake, RECENT_PAGES) == list(POLLED)
    assert days_in(lake, RECENT_REJECTS) == list(POLLED)
