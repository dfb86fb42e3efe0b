"""Look-ups of what plays name: from a lake that the real jobs made, of a simulated Spotify of the same listener."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from spotifriend_dagster.assets.catalog import catalog_asset
from spotifriend_dagster.assets.cleaned import history, plays, recent_asset
from spotifriend_dagster.assets.raw import streaming_history
from spotifriend_dagster.assets.specs import accepted_beta, asset_key
from spotifriend_dagster.automation.runs import range_tags
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.polls import poll_answers
from spotifriend_dagster.demo.spotify import Fault, SimulatedSpotify
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.parquet import to_parquet
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.tables.frames import typed_frame
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED
from spotifriend_dagster.tables.snapshots import TRACKS
from spotifriend_dagster_tests.collected_home import CollectedHome, simulated
from spotifriend_dagster_tests.conftest import Home

DAY = timedelta(days=1)


EXPORTED_UNTIL = datetime(2025, 3, 10, tzinfo=UTC)
NOW = datetime(2025, 3, 13, 2, 41, tzinfo=UTC)


@pytest.fixture(scope="module")
def cleaned(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Five weeks of export and three days of polls, cleaned: what look-ups need, and no more."""
    home = Home(tmp_path_factory.mktemp("cleaned"))
    home.listeners.add("robin", "Robin", truth.zones)
    export = home.path / "export.zip"
    write_export(truth, export, cutoff=pd.Timestamp(EXPORTED_UNTIL))
    for instant, answer in poll_answers(truth, EXPORTED_UNTIL, NOW):
        pages = [("/v1/me/player/recently-played", answer)]
        write_pull(home.lake.storage, RECENTLY_PLAYED, "robin", instant.to_pydatetime(), pages)
    days = days_from(home.settings.first_day)
    with accepted_beta("backfill_policy"):
        recent = recent_asset(days)
    polled = dg.AssetSpec(asset_key(RECENTLY_PLAYED), partitions_def=days)
    config = {"ops": {"raw__streaming_history": {"config": {"path": str(export), "listener": "robin"}}}}
    done = dg.materialize(
        [streaming_history, polled, history, recent, plays, catalog_asset(home.settings.first_day)],
        resources={
            "lake": home.lake,
            "listeners": home.listeners,
            "table_io_manager": TableIOManager(home.lake.storage),
        },
        run_config=config,
        tags=range_tags(["2025-03-10", "2025-03-13"]),
        instance=home.instance,
    )
    assert done.success
    return home


@pytest.fixture
def server(truth: Truth, dialect: Dialect) -> Iterator[SimulatedSpotify]:
    with simulated({"robin": truth}, NOW, dialect) as serving:
        yield serving


@pytest.fixture
def home(cleaned: Home, server: SimulatedSpotify, tmp_path: Path) -> CollectedHome:
    """A copy of that lake, with Robin signed in."""
    path = tmp_path / "home"
    shutil.copytree(cleaned.path, path)
    home = CollectedHome(path, server)
    home.sign_in("robin")
    return home


def played(home: CollectedHome) -> list[str]:
    """The ids of the tracks that were played, the first one first."""
    plays = home.frame(
        "SELECT track_uri, MIN(started_at) AS first_at FROM plays WHERE track_uri LIKE 'spotify:track:%' "
        "GROUP BY track_uri ORDER BY first_at, track_uri"
    )
    return [uri.removeprefix("spotify:track:") for uri in plays["track_uri"]]


def looked_up(home: CollectedHome, kind: str) -> list[str]:
    """The ids that were asked for, in order."""
    return [answer.endpoint.split("?")[0].rpartition("/")[2] for answer in home.answers(kind)]


@pytest.mark.parametrize("dialect", ["development"], indirect=True)
def test_what_plays_name_is_looked_up_once_the_oldest_first(home: CollectedHome) -> None:
    """Day after day some more, never the same again, until all is known."""
    tracks = played(home)
    home.collect("collect")
    home.collect("collect")
    found = looked_up(home, "tracks")
    assert found == tracks[:200]
    assert len(home.answers("artists")) == len(set(looked_up(home, "artists"))) > 0
    record = home.records("tracks")[0]
    assert (record["calls"], record["outcome"]) == (100, "complete")


@pytest.mark.parametrize("dialect", ["development"], indirect=True)
def test_albums_and_artists_of_exported_plays_come_by_their_tracks(home: CollectedHome) -> None:
    """An export names a track's URI alone; what was looked up of it names the rest."""
    home.collect("collect")
    assert home.answers("albums") == []
    first = looked_up(home, "tracks")[:3]
    bodies = {answer.body()["id"]: answer.body() for answer in home.answers("tracks")[:3]}
    rows: list[dict[str, Any]] = [
        {
            "collected_on": pd.Timestamp(home.today),
            "pulled_at": pd.Timestamp(home.server.clock()),
            "track_id": asked,
            "track_uri": body["uri"],
            "artist_ids": ["f" * 22],
            "album_id": body["album"]["id"],
        }
        for asked, body in zip(first, bodies.values(), strict=True)
    ]
    frame = pd.DataFrame(rows).reindex(columns=list(TRACKS.column_names))
    key = f"{TRACKS.folder}/listener=robin/year=2025/{home.today}.parquet"
    home.lake.storage.write(key, to_parquet(typed_frame(frame, TRACKS), TRACKS))
    home.server.clock.advance(DAY)
    home.collect("collect")
    assert set(looked_up(home, "albums")) == {body["album"]["id"] for body in bodies.values()}
    missing = home.records("artists")[-1]["remembered"]["missing"]
    assert list(missing) == ["f" * 22]  # credited, but not there any more
    home.asked()
    home.server.clock.advance(DAY)
    home.collect("collect")
    assert not [path for path in home.asked() if path.endswith("f" * 22)]


def test_audio_features_are_tried_once_where_they_are_denied(home: CollectedHome, dialect: Dialect) -> None:
    """Apps since November 2024 have no access: one call a month finds out whether that has changed."""
    failed = [home.collect("collect").failed_checks for _ in range(2)]
    calls = home.asked().count("/v1/audio-features")
    if dialect == "extended":
        asked = len(played(home))
        assert calls == -(-asked // 100) if asked <= 500 else 5 + min(5, -(-(asked - 500) // 100))
        assert sum(len(answer.body()["audio_features"]) for answer in home.answers("audio_features")) == min(
            asked, 1000
        )
        return
    assert failed == [[("raw/audio_features", "nothing_withheld", "WARN")], []]
    assert calls == 1
    assert [record["outcome"] for record in home.records("audio_features")] == ["denied", "denied"]
    home.server.clock.advance(29 * DAY)
    home.sign_in("robin")
    home.collect("collect")
    assert home.asked().count("/v1/audio-features") == 0
    home.server.clock.advance(2 * DAY)
    home.collect("collect")
    assert home.asked().count("/v1/audio-features") == 1


@pytest.mark.parametrize("dialect", ["development"], indirect=True)
def test_a_failed_look_up_keeps_those_before_it(home: CollectedHome) -> None:
    """The quota ends in the middle: what came is kept, and the next day goes on after it."""
    tracks = played(home)
    home.server.faults.add("/v1/tracks/", Fault.quota_exceeded(5), times=1, skip=7)
    home.collect("collect")
    assert looked_up(home, "tracks") == tracks[:7]
    assert looked_up(home, "artists") == []
    home.server.clock.advance(DAY)
    home.collect("collect")
    assert looked_up(home, "tracks") == tracks[:107]
