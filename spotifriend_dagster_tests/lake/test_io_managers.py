"""What an asset says of a table becomes its files, and files become an input: for one day, a range, or no days."""

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from spotifriend_dagster.lake.io_managers import Part, TableIOManager, table_of
from spotifriend_dagster.lake.json_lines import to_json_lines
from spotifriend_dagster.lake.parquet import read_parquet, rows_to_parquet
from spotifriend_dagster.lake.pulls import history_key, write_pull
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.cleaned import (
    HISTORY_FILES,
    HISTORY_PLAYS,
    PLAYS,
    RECENT_PLAYS,
    RECENT_REJECTS,
)
from spotifriend_dagster.tables.declaration import Table, narrowed
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.frames import empty_frame
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED, STREAMING_HISTORY
from spotifriend_dagster_tests.lake.made_frames import made_frame

DAYS = dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-02-01")
Parts = Callable[[], Iterable[Part]]


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path)


def key_of(table: Table) -> dg.AssetKey:
    return dg.AssetKey(table.folder.split("/"))


def asset_of(table: Table, parts: Parts, days: dg.PartitionsDefinition | None = None) -> dg.AssetsDefinition:
    """An asset that says `parts` of a table."""

    @dg.asset(
        key=key_of(table),
        io_manager_key="tables",
        partitions_def=days,
    )
    def said() -> Iterator[Any]:
        yield dg.Output(parts(), "result")

    return said


def materialize(storage: FolderStorage, *assets: Any, **how: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(assets, resources={"tables": TableIOManager(storage)}, **how)


def write(storage: FolderStorage, table: Table, *parts: Part, days: tuple[str, str] | None = None) -> Any:
    """Materialize a table from parts, for all days of a range, and give its materializations."""
    asset = asset_of(table, lambda: iter(parts), DAYS if days else None)
    tags = {} if days is None else _range_tags(*days)
    result = materialize(storage, asset, tags=tags)
    return result.asset_materializations_for_node(asset.op.name)


def _range_tags(first: str, last: str) -> dict[str, str]:
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def names(storage: FolderStorage, table: Table) -> list[str]:
    return [stored.key.removeprefix(table.folder + "/") for stored in storage.list(table.folder)]


def plays_of(*years: int) -> pd.DataFrame:
    frame = made_frame(PLAYS, 3 * len(years), seed=len(years))
    starts = [pd.Timestamp(f"{year}-{month:02d}-15", tz="UTC") for year in years for month in (1, 6, 12)]
    return frame.assign(started_at=pd.Series(starts, dtype="datetime64[ms, UTC]"))


def day_of(table: Table, day: str, rows: int) -> pd.DataFrame:
    frame = made_frame(table, rows, seed=rows)
    type_ = "str" if table is RECENT_REJECTS else "datetime64[s]"
    return frame.assign(**{table.day_of or "": pd.Series([day] * rows, dtype=type_)})


def test_every_asset_key_names_its_table() -> None:
    """The key of an asset is the folder of its table: raw, cleaned and rejects alike."""
    for table in DECLARED_TABLES:
        assert table_of(key_of(table).path) is table
    with pytest.raises(KeyError):
        table_of(["insights", "sessions"])


def test_a_listeners_rows_are_stored_by_year_and_come_back_whole(storage: FolderStorage) -> None:
    """One file a year, in the listener's own folder; the year is that of the instant in UTC."""
    frame = plays_of(2023, 2024, 2025)
    edge = pd.Series([pd.Timestamp("2025-01-01T00:30+01:00").tz_convert("UTC")], dtype="datetime64[ms, UTC]")
    frame = pd.concat([frame, frame.head(1).assign(started_at=edge)], ignore_index=True)
    (materialization,) = write(storage, PLAYS, Part("anna", frame), Part("ben", plays_of(2024)))
    assert names(storage, PLAYS) == [
        "listener=anna/year=2023/part.parquet",
        "listener=anna/year=2024/part.parquet",
        "listener=anna/year=2025/part.parquet",
        "listener=ben/year=2024/part.parquet",
    ]
    stored = StoredTable(storage, PLAYS)
    assert stored.listeners() == ["anna", "ben"]
    expected = frame.sort_values("started_at", kind="stable", key=lambda instants: instants.dt.year, ignore_index=True)
    pd.testing.assert_frame_equal(stored.frame("anna"), expected)

    said = {name: value.value for name, value in materialization.metadata.items()}
    assert said["dagster/row_count"] == 13
    assert said["dagster/uri"] == "lake:///cleaned/plays/"
    assert said["bytes"] == sum(stored.size for stored in storage.list(PLAYS.folder))
    assert said["listeners"] == 2
    assert said["preview"].startswith("| listener | play_number |")
    assert said["preview"].count("\n") == 6


def test_a_listener_nobody_spoke_of_keeps_what_is_there(storage: FolderStorage) -> None:
    """One listener's failure is no part of theirs; it must not cost them their table, nor touch the others'."""
    write(storage, PLAYS, Part("anna", plays_of(2023, 2024)), Part("ben", plays_of(2024)))
    before = {stored.key: storage.read(stored.key) for stored in storage.list(f"{PLAYS.folder}/listener=ben")}
    write(storage, PLAYS, Part("anna", plays_of(2024)))
    assert names(storage, PLAYS) == ["listener=anna/year=2024/part.parquet", "listener=ben/year=2024/part.parquet"]
    assert {key: storage.read(key) for key in before} == before


def test_years_that_are_gone_are_removed_after_the_new_ones_are_there(storage: FolderStorage) -> None:
    """Between the two steps a reader may see a year too many, and never one too few."""
    write(storage, PLAYS, Part("anna", plays_of(2022, 2023)))
    seen: list[list[str]] = []
    storage.delete = lambda keys: (seen.append(names(storage, PLAYS)), FolderStorage.delete(storage, keys))[1]  # type: ignore[method-assign]
    write(storage, PLAYS, Part("anna", plays_of(2023, 2024)))
    assert seen == [[f"listener=anna/year={year}/part.parquet" for year in (2022, 2023, 2024)]]
    assert names(storage, PLAYS) == [f"listener=anna/year={year}/part.parquet" for year in (2023, 2024)]


def test_a_listener_without_rows_has_no_years(storage: FolderStorage) -> None:
    """Nothing left of what was: the table is empty for them, and an empty typed frame is read."""
    write(storage, PLAYS, Part("anna", plays_of(2022)))
    (materialization,) = write(storage, PLAYS, Part("anna", empty_frame(PLAYS)))
    assert names(storage, PLAYS) == []
    assert materialization.metadata["dagster/row_count"].value == 0
    pd.testing.assert_frame_equal(StoredTable(storage, PLAYS).frame("anna"), empty_frame(PLAYS))


def test_one_listener_is_in_memory_at_a_time(storage: FolderStorage) -> None:
    """A household must not need a household's memory: a part is gone when the next one is made."""
    alive: list[weakref.ref[pd.DataFrame]] = []
    left_over: list[int] = []

    def parts() -> Iterator[Part]:
        for listener in ("anna", "ben", "cleo"):
            gc.collect()
            left_over.append(sum(reference() is not None for reference in alive))
            frame = plays_of(2024)
            alive.append(weakref.ref(frame))
            part = Part(listener, frame)
            del frame
            yield part
            del part

    materialize(storage, asset_of(PLAYS, parts))
    assert left_over == [0, 0, 0]


def test_a_range_of_days_in_one_output_is_one_write_for_each_year(storage: FolderStorage) -> None:
    """A single-run backfill; Dagster's own file managers refuse it. Each day's event says that day's rows."""
    days = ["2025-01-30", "2025-01-31"]
    parts = [Part(listener, day_of(RECENT_PLAYS, day, rows), day) for listener in "ab" for rows, day in enumerate(days)]
    materializations = write(storage, RECENT_PLAYS, *parts, days=("2025-01-29", "2025-01-31"))
    assert names(storage, RECENT_PLAYS) == [f"listener={who}/year=2025/2025.parquet" for who in "ab"]
    counted = {event.partition: event.metadata["dagster/partition_row_count"].value for event in materializations}
    assert counted == {"2025-01-29": 0, "2025-01-30": 0, "2025-01-31": 2}
    assert "dagster/row_count" not in materializations[0].metadata

    stored = StoredTable(storage, RECENT_PLAYS, ["2025-01-29", "2025-01-31"])
    assert list(stored.frames("a")) == ["2025-01-31"]
    pd.testing.assert_frame_equal(stored.frame("a"), parts[1].frame)
    assert stored.frame("nobody").empty


def test_a_day_without_rows_needs_no_file_and_takes_away_the_rows_it_had(storage: FolderStorage) -> None:
    """Most days reject nothing: that costs no file. The same day again changes no byte."""
    for table, name in ((RECENT_PLAYS, "year=2025/2025.parquet"), (RECENT_REJECTS, "2025.jsonl.gz")):
        day, key = "2025-01-05", f"{table.folder}/listener=anna/{name}"
        write(storage, table, Part("anna", empty_frame(table), day), days=(day, day))
        assert names(storage, table) == []
        write(storage, table, Part("anna", day_of(table, day, 3), day), days=(day, day))
        with_rows = storage.read(key)
        write(storage, table, Part("anna", empty_frame(table), day), days=(day, day))
        pd.testing.assert_frame_equal(StoredTable(storage, table).frame("anna"), empty_frame(table))
        write(storage, table, Part("anna", day_of(table, day, 3), day), days=(day, day))
        assert storage.read(key) == with_rows


def test_one_day_is_replaced_and_the_others_stay(storage: FolderStorage) -> None:
    """Days are rebuilt in any order; the event of a single day shows its first rows."""
    for day, rows in (("2025-01-02", 4), ("2025-01-01", 2), ("2025-01-02", 3)):
        part = Part("anna", day_of(RECENT_PLAYS, day, rows), day)
        (materialization,) = write(storage, RECENT_PLAYS, part, days=(day, day))
    assert materialization.metadata["dagster/partition_row_count"].value == 3
    assert materialization.metadata["preview"].value.count("\n") == 4
    frames = StoredTable(storage, RECENT_PLAYS).frames("anna")
    assert {day: len(frame) for day, frame in frames.items()} == {"2025-01-01": 2, "2025-01-02": 3}


@pytest.mark.parametrize(
    "parts",
    [
        [Part("anna", empty_frame(RECENT_PLAYS), "2025-01-09")],
        [Part("anna", empty_frame(RECENT_PLAYS))],
        [Part("anna", empty_frame(RECENT_PLAYS), "2025-01-02")] * 2,
    ],
    ids=["another day", "no day", "twice"],
)
def test_a_part_that_the_run_is_not_about_is_refused(storage: FolderStorage, parts: list[Part]) -> None:
    """A fault in an asset must not overwrite a day that nobody asked for, nor one part with another."""
    with pytest.raises(ValueError, match="is not what this run is about, or comes twice"):
        write(storage, RECENT_PLAYS, *parts, days=("2025-01-02", "2025-01-03"))


def test_what_is_as_it_was_is_not_written_again(storage: FolderStorage) -> None:
    """Last year's plays are the same every night; a bucket that keeps versions would keep them as often."""
    write(storage, PLAYS, Part("anna", plays_of(2023, 2024)))
    written: list[str] = []
    storage.write = lambda key, content: (written.append(key), FolderStorage.write(storage, key, content))[1]  # type: ignore[method-assign]
    frame = pd.concat([plays_of(2023, 2024), plays_of(2025)], ignore_index=True)
    (materialization,) = write(storage, PLAYS, Part("anna", frame))
    assert written == [f"{PLAYS.folder}/listener=anna/year=2025/part.parquet"]
    assert materialization.metadata["bytes"].value == sum(stored.size for stored in storage.list(PLAYS.folder))


def test_an_output_that_breaks_off_has_written_whole_listeners(storage: FolderStorage) -> None:
    """Interrupted after one listener: theirs is new, the next one's is as it was, and nothing is in between."""
    write(storage, PLAYS, Part("anna", plays_of(2022)), Part("ben", plays_of(2022)))

    def breaking_off() -> Iterator[Part]:
        yield Part("anna", plays_of(2023))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        materialize(storage, asset_of(PLAYS, breaking_off))
    assert names(storage, PLAYS) == ["listener=anna/year=2023/part.parquet", "listener=ben/year=2022/part.parquet"]


def test_tables_without_years_are_one_file_for_each_listener(storage: FolderStorage) -> None:
    """Small tables are not cut up."""
    frame = made_frame(HISTORY_FILES, 4)
    write(storage, HISTORY_FILES, Part("anna", frame))
    assert names(storage, HISTORY_FILES) == ["listener=anna/part.parquet"]
    pd.testing.assert_frame_equal(StoredTable(storage, HISTORY_FILES).frame("anna"), frame)


def test_raw_exports_come_with_the_export_they_are_of(storage: FolderStorage) -> None:
    """Cleaning needs to know of each row which export and file it is from."""
    for export, file in (("e1", "a.json"), ("e1", "b.json"), ("e2", "a.json")):
        row = {"file": file, "row": 0, "payload": "{}", "problem": None}
        storage.write(history_key("anna", export, file), to_json_lines([row, {**row, "row": 1}]))
    frame = StoredTable(storage, STREAMING_HISTORY).frame("anna")
    assert list(frame.columns) == ["file", "row", "payload", "problem", "export"]
    assert frame.dtypes["export"] == "str"
    rows = list(zip(frame["export"], frame["file"], frame["row"], strict=True))
    assert rows == [(e, f, n) for e, f in (("e1", "a.json"), ("e1", "b.json"), ("e2", "a.json")) for n in (0, 1)]
    assert list(StoredTable(storage, STREAMING_HISTORY).frame("nobody").columns) == list(frame.columns)


def test_raw_pulls_come_with_their_day_and_name(storage: FolderStorage) -> None:
    """A page is known by the name of its pull; a pull belongs to the day in its path."""
    start = datetime(2025, 1, 1, 22, tzinfo=UTC)
    for hours in range(4):
        write_pull(storage, RECENTLY_PLAYED, "anna", start + timedelta(hours=hours), [("e", {"n": hours}), ("e", {})])
    frames = StoredTable(storage, RECENTLY_PLAYED).frames("anna")
    assert {day: len(frame) for day, frame in frames.items()} == {"2025-01-01": 4, "2025-01-02": 4}
    assert frames["2025-01-02"]["file"].tolist() == ["20250102T000000000Z"] * 2 + ["20250102T010000000Z"] * 2
    assert set(frames["2025-01-02"]["dt"]) == {"2025-01-02"}
    assert frames["2025-01-01"].dtypes.to_dict() == StoredTable(storage, RECENTLY_PLAYED).frame("x").dtypes.to_dict()


def test_an_asset_reads_its_own_days_and_one_without_days_reads_all(storage: FolderStorage) -> None:
    """A daily asset gets the days of its run; `plays` gets every day there is, those before the first partition too."""
    for day in ("2024-12-24", "2025-01-02", "2025-01-03", "2025-01-04"):
        write_pull(storage, RECENTLY_PLAYED, "anna", datetime.fromisoformat(f"{day}T12:00Z"), [("e", {})])
    seen: dict[str, list[str]] = {}

    def reader(name: str, days: dg.PartitionsDefinition | None) -> dg.AssetsDefinition:
        @dg.asset(
            name=name,
            ins={"raw": dg.AssetIn(key=key_of(RECENTLY_PLAYED), input_manager_key="tables")},
            partitions_def=days,
        )
        def read(raw: StoredTable) -> None:
            seen[name] = list(raw.frames("anna"))

        return read

    raw = dg.AssetSpec(key_of(RECENTLY_PLAYED), partitions_def=DAYS)
    materialize(storage, raw, reader("daily", DAYS), tags=_range_tags("2025-01-03", "2025-01-05"))
    materialize(storage, raw, reader("once", None))
    materialize(storage, raw, reader("every", DAYS), tags=_range_tags("2025-01-01", "2025-01-31"))
    assert seen == {
        "daily": ["2025-01-03", "2025-01-04"],
        "once": ["2024-12-24", "2025-01-02", "2025-01-03", "2025-01-04"],
        "every": ["2025-01-02", "2025-01-03", "2025-01-04"],
    }


def test_one_asset_may_say_several_tables_one_after_the_other(storage: FolderStorage) -> None:
    """The second table is filled while the first one's parts are made: outputs are written in their order."""
    files: list[Part] = []

    @dg.multi_asset(
        outs={
            table.name: dg.AssetOut(key=key_of(table), io_manager_key="tables")
            for table in (HISTORY_PLAYS, HISTORY_FILES)
        }
    )
    def history() -> Iterator[Any]:
        def plays() -> Iterator[Part]:
            for listener in ("anna", "ben"):
                files.append(Part(listener, made_frame(HISTORY_FILES, 2)))
                yield Part(listener, made_frame(HISTORY_PLAYS, 6))

        yield dg.Output(plays(), HISTORY_PLAYS.name)
        yield dg.Output(files, HISTORY_FILES.name)

    materialize(storage, history)
    assert StoredTable(storage, HISTORY_FILES).listeners() == ["anna", "ben"]
    assert len(StoredTable(storage, HISTORY_PLAYS).frame("ben")) == 6


def test_a_damaged_file_is_made_anew_and_named(storage: FolderStorage) -> None:
    """Who has a failing disk must know of it; who has upgraded, and whose files are of fewer columns, has none."""
    frame, part = plays_of(2024, 2025), f"{PLAYS.folder}/listener=anna/year=2025/part.parquet"
    (materialization,) = write(storage, PLAYS, Part("anna", frame))
    assert "damaged" not in materialization.metadata
    whole = storage.read(part)
    for damaged in (whole[:-9], b"", whole[:4] + bytes(len(whole) - 8) + whole[-4:]):
        storage.write(part, damaged)
        (materialization,) = write(storage, PLAYS, Part("anna", frame))
        assert materialization.metadata["damaged"].value == [part]
        assert storage.read(part) == whole
    older = narrowed(PLAYS, PLAYS.column_names[1:])
    storage.write(part, rows_to_parquet(read_parquet(whole, older, part), older))
    (materialization,) = write(storage, PLAYS, Part("anna", frame))
    assert "damaged" not in materialization.metadata
    assert storage.read(part) == whole
