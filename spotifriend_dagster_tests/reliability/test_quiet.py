"""Whoever is woken for nothing stops reading: where all goes as it should, nobody is told anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spotifriend_dagster.collecting.pulls import Collector
from spotifriend_dagster.collecting.sources import POLL
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.lake.parquet import rows_to_parquet
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.declaration import narrowed
from spotifriend_dagster_tests.collected_home import simulated
from spotifriend_dagster_tests.reliability.scene import LISTENER, Scene, begun, truth

FIRST = datetime(2025, 3, 19, 0, 7, tzinfo=UTC)
"""The clocks of Berlin go forward in the night of 30 March."""
DAYS = 14
NIGHTS = (2, 5, 8, 11, 13)
"""After which of the days there is a rebuild: each night's would be alike, and takes a second."""
HOUR = timedelta(hours=1)


def _polled_for_a_day(scene: Scene, *, by_run: bool) -> None:
    """Every hour; the first time by a run, which takes a hundred times as long as the poll alone."""
    for hour in range(24):
        if by_run and not hour:
            assert scene.poll().success
        else:
            list(Collector(scene.spotify, scene.lake.storage, [LISTENER]).pull(LISTENER, [POLL]))
        scene.server.clock.advance(HOUR)


def _export_imported(scene: Scene) -> None:
    export = scene.path / "newer.zip"
    write_export(truth(), export, era="2025", cutoff=scene.server.clock())
    assert scene.import_it(export).success


def _days_cleaned_again(scene: Scene) -> None:
    """By hand, while no other run is on."""
    days = [f"{scene.server.clock() - timedelta(days=back):%Y-%m-%d}" for back in range(5)]
    assert scene.follow("rebuild", sorted(days)).success


def _of_an_earlier_version(scene: Scene) -> None:
    """What an upgrade finds: a definition that was declared otherwise, without a seal, and files with fewer columns."""
    present = scene.lake.catalog.get("plays")
    assert present
    said = dict(present.table_input)
    said["Parameters"] = {name: value for name, value in said["Parameters"].items() if name != "spotifriend.digest"}
    said["StorageDescriptor"] = {**said["StorageDescriptor"], "Columns": said["StorageDescriptor"]["Columns"][:-1]}
    scene.lake.catalog.put_if_different(said)
    older = narrowed(PLAYS, PLAYS.column_names[:-1])
    for stored in scene.lake.storage.list(PLAYS.folder):
        rows = scene.lake.engine.query(f"SELECT {', '.join(older.column_names)} FROM plays")
        scene.lake.storage.write(stored.key, rows_to_parquet(rows, older))


@pytest.mark.slow
def test_an_ordinary_fortnight_tells_nobody_anything(tmp_path: Path) -> None:
    """Polls, nights, a newer export, an upgrade, days cleaned again by hand, and the night in which clocks change."""
    events = {2: _export_imported, 5: _of_an_earlier_version, 8: _days_cleaned_again}
    with simulated({LISTENER: truth()}, FIRST) as spotify:
        scene = begun(tmp_path / "home", spotify, FIRST)
        for day in range(DAYS):
            _polled_for_a_day(scene, by_run=day in NIGHTS)
            if day in NIGHTS:
                assert scene.rebuild().success
            if happens := events.get(day):
                happens(scene)
            assert scene.told() == [], f"on day {day}"
