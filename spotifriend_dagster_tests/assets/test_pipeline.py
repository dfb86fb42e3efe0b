"""The whole graph, run by its jobs over a simulated listener whose true listening is known."""

from __future__ import annotations

import gzip
import shutil
import socket
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.exports import EMAIL, IP_PREFIXES, USER_AGENT, USER_NAME, write_export
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.polls import polled_plays
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster_tests.conftest import FIRST_DAY, LISTENER, Home, SimulatedHome

PLAYS = "SELECT * FROM plays ORDER BY listener, play_number"


def test_every_true_play_is_in_the_lake_exactly_once(finished_home: SimulatedHome) -> None:
    """The trackers before this one lose plays silently and count them twice; here each true play is one row."""
    assert finished_home.truth is not None and finished_home.origins is not None
    exported = set(finished_home.origins["event"])
    sources = finished_home.frame("SELECT source, COUNT(*) AS plays FROM plays GROUP BY source")
    assert sources.set_index("source")["plays"]["extended"] == len(exported)
    told = polled_plays(finished_home.truth)
    told["played_at"] = told["played_at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3] + "Z"
    told = told.set_index("played_at")["event"]
    only_polled = {played_at for played_at, _ in finished_home.answered if told[played_at] not in exported}
    polls = finished_home.frame("SELECT closed_at FROM plays WHERE source = 'recent'")["closed_at"]
    found = [f"{instant:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z" for instant in polls]
    assert sorted(found) == sorted(only_polled)


def test_exported_plays_have_their_true_start_and_clock(finished_home: SimulatedHome) -> None:
    """`ts - ms_played` puts one play in ten in the wrong hour; certain starts here are right to the second."""
    truth = finished_home.truth
    assert truth is not None
    events = truth.events.sort_values("started_at")
    plays = finished_home.frame(
        "SELECT started_at, local_hour, ms_played, track_uri FROM plays "
        "WHERE source = 'extended' AND start_rule = 'offline_ts' ORDER BY started_at"
    )
    plays["started_at"] = plays["started_at"].dt.tz_localize("UTC").astype(events["started_at"].dtype)
    nearest = pd.merge_asof(
        plays, events[["started_at", "ms_played", "track_uri"]].assign(true_start=events["started_at"]),
        on="started_at", by=["ms_played"], direction="nearest", tolerance=pd.Timedelta(seconds=2),
    )  # fmt: skip
    assert nearest["true_start"].notna().mean() > 0.99
    true_hours = ZoneHistory(truth.zones).localize(nearest["true_start"].dropna())["local_hour"]
    crossing = (true_hours != plays.loc[true_hours.index, "local_hour"]).mean()
    assert crossing < 0.005  # a start within a second of the hour


def test_rows_add_up_file_by_file(finished_home: SimulatedHome) -> None:
    """Every row received is kept, a duplicate, superseded or rejected: nothing is lost without a word."""
    accounts = finished_home.frame("SELECT * FROM row_accounting")
    assert (accounts["unaccounted_rows"] == 0).all()
    extended = accounts[accounts["source"] == "extended"]
    assert extended["input_rows"].sum() == len(finished_home.origins)
    kept = finished_home.frame("SELECT COUNT(*) AS plays FROM plays")["plays"].item()
    assert accounts["kept_rows"].sum() == kept


def test_importing_the_same_export_again_changes_nothing(changeable_home: SimulatedHome) -> None:
    """A listener who is not sure whether they imported may import again."""
    before = changeable_home.frame(PLAYS)
    raw_before = [(stored.key, stored.size) for stored in changeable_home.lake.storage.list("raw")]
    unpacked = changeable_home.path / "unpacked"
    shutil.unpack_archive(changeable_home.export, unpacked)
    assert changeable_home.import_export(unpacked, LISTENER).success
    assert [(stored.key, stored.size) for stored in changeable_home.lake.storage.list("raw")] == raw_before
    pd.testing.assert_frame_equal(changeable_home.frame(PLAYS), before)


def test_a_fragment_or_an_older_export_adds_nothing_twice(changeable_home: SimulatedHome) -> None:
    """Exports of one history are united with the highest multiplicity of any, never the sum."""
    before = changeable_home.frame("SELECT play_id FROM plays ORDER BY play_id")
    older = changeable_home.path / "older.zip"
    assert changeable_home.truth is not None
    write_export(changeable_home.truth, older, era="2023", cutoff=pd.Timestamp("2025-03-10", tz="UTC"))
    assert changeable_home.import_export(older, LISTENER).success
    after = changeable_home.frame("SELECT play_id FROM plays ORDER BY play_id")
    pd.testing.assert_frame_equal(after, before)


def test_two_listeners_never_mix(changeable_home: SimulatedHome) -> None:
    """Another listener's export leaves every row of the first one's tables as it was."""
    before = changeable_home.frame(f"SELECT * FROM plays WHERE listener = '{LISTENER}' ORDER BY play_number")
    other = simulate(8, years=30 / 365.25, home="America/New_York")
    path = changeable_home.path / "other.zip"
    write_export(other, path)
    changeable_home.listeners.add("kim", "Kim", other.zones)
    assert changeable_home.import_export(path, "kim").success
    after = changeable_home.frame(f"SELECT * FROM plays WHERE listener = '{LISTENER}' ORDER BY play_number")
    pd.testing.assert_frame_equal(after, before)
    totals = changeable_home.frame("SELECT listener, plays FROM listening_totals ORDER BY listener")
    assert totals["listener"].tolist() == ["kim", LISTENER]


def test_a_listener_that_fails_leaves_the_others(changeable_home: SimulatedHome) -> None:
    """Whom listeners.toml does not name has no clock; the check says so, and everybody else's data lands."""
    storage = changeable_home.lake.storage
    key = next(stored.key for stored in storage.list("raw/streaming_history"))
    storage.write(key.replace(f"listener={LISTENER}", "listener=stranger"), storage.read(key))
    outcome = changeable_home.run("answer")
    assert outcome.success
    assert ("cleaned/plays", "every_listener", "ERROR") in outcome.failed_checks
    counted = changeable_home.frame("SELECT listener, COUNT(*) AS plays FROM plays GROUP BY listener")
    assert counted["listener"].tolist() == [LISTENER]


def test_everything_after_raw_can_be_made_again_from_raw(changeable_home: SimulatedHome) -> None:
    """All state is in the lake: losing Dagster's database and every table loses nothing."""
    before = changeable_home.frame(PLAYS)
    for folder in ("cleaned", "rejects", "catalog", "insights", "reports"):
        shutil.rmtree(changeable_home.settings.lake / folder, ignore_errors=True)
    fresh = Home(changeable_home.path)
    assert fresh.rebuild().success
    pd.testing.assert_frame_equal(fresh.frame(PLAYS), before)


def test_a_range_of_days_gives_what_single_days_give(changeable_home: SimulatedHome) -> None:
    """A backfill in one run writes the same rows as a run a day, into the same file."""
    folder = changeable_home.settings.lake / "cleaned" / "recent_plays"
    (file,) = folder.rglob("*.parquet")
    in_one = pq.read_table(file)
    days = [date(2025, 4, 14), date(2025, 4, 15)]
    assert len(in_one["collected_on"].unique()) == 10
    shutil.rmtree(folder)
    for day in reversed(days):
        assert changeable_home.run("rebuild", [f"{day}"]).success
    assert pq.read_table(file).equals(in_one.filter(pc.is_in(in_one["collected_on"], pa.array(days))))
    assert list(folder.rglob("*.parquet")) == [file]


def test_nothing_private_reaches_the_disk(finished_home: SimulatedHome) -> None:
    """IP addresses, user names, user agents and e-mail are in the export, and in no file of the lake."""
    secrets = [text.encode() for text in (*IP_PREFIXES, USER_NAME, EMAIL, USER_AGENT)]
    for path in finished_home.settings.lake.rglob("*"):
        if path.is_file() and path.suffix != ".js":
            content = path.read_bytes()
            if path.name.endswith(".gz"):
                content = gzip.decompress(content)
            elif path.suffix == ".parquet":
                content = str(pq.read_table(path).to_pydict()).encode()
            assert not [secret for secret in secrets if secret in content], path


def test_a_past_day_cannot_be_collected(changeable_home: SimulatedHome) -> None:
    """Spotify serves only now: materializing a past day keeps what is there, adds nothing, and says so."""
    before = [(stored.key, stored.modified) for stored in changeable_home.lake.storage.list("raw")]
    assert changeable_home.run("poll", ["2025-04-15"]).success
    assert [(stored.key, stored.modified) for stored in changeable_home.lake.storage.list("raw")] == before
    key = dg.AssetKey(["raw", "recently_played"])
    assert changeable_home.instance.get_latest_materialization_event(key) is None
    observed = changeable_home.instance.fetch_observations(key, limit=5).records
    assert [record.partition_key for record in observed] == ["2025-04-15"]


def test_an_interrupted_import_is_mended_by_the_next(tmp_path: Path) -> None:
    """Killed between two files, an import leaves whole files only, and the next run ends right."""
    truth = simulate(4, years=40 / 365.25)
    export = tmp_path / "export.zip"
    write_export(truth, export, era="endsong")
    home = Home(tmp_path / "home")
    home.listeners.add("me", "Me", truth.zones)
    written = 0
    write = FolderStorage.write

    def killed(self: FolderStorage, key: str, content: bytes) -> None:
        nonlocal written
        written += 1
        if written == 5:
            raise KeyboardInterrupt
        write(self, key, content)

    FolderStorage.write = killed  # type: ignore[method-assign]
    try:
        home.import_export(export, "me")
    except BaseException as error:  # whatever Dagster makes of the interrupt
        assert isinstance(error, KeyboardInterrupt | dg.DagsterExecutionInterruptedError), error
    finally:
        FolderStorage.write = write  # type: ignore[method-assign]
    assert home.import_export(export, "me").success
    straight = Home(tmp_path / "straight")
    straight.listeners.add("me", "Me", truth.zones)
    assert straight.import_export(export, "me").success
    pd.testing.assert_frame_equal(home.frame(PLAYS), straight.frame(PLAYS))


def test_two_peoples_exports_under_one_id_are_told(changeable_home: SimulatedHome) -> None:
    """A household mixes up its zips: figures of two people in one are warned of, not refused."""
    stranger = simulate(9, start=FIRST_DAY, years=60 / 365.25)
    path = changeable_home.path / "stranger.zip"
    write_export(stranger, path)
    outcome = changeable_home.import_export(path, LISTENER)
    assert outcome.success
    assert ("cleaned/history_plays", "exports_are_of_one_person", "WARN") in outcome.failed_checks


def test_nothing_is_asked_of_the_network(changeable_home: SimulatedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """No account, no cloud: import to report makes no connection."""
    asked: list[object] = []

    def refused(_socket: socket.socket, address: object) -> None:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    assert changeable_home.export is not None
    assert changeable_home.import_export(changeable_home.export, LISTENER).success
    assert asked == []
