"""What the Web API says beside plays, from a simulated Spotify of known truth to typed tables, in both dialects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from spotifriend_dagster.demo.library import OWN, kept
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.redaction import person_hash
from spotifriend_dagster.tables.raw import MUSICBRAINZ
from spotifriend_dagster.tables.snapshots import (
    ALBUMS,
    ARTIST_GENRES,
    ARTISTS,
    DAILY_SNAPSHOTS,
    FOLLOWED_ARTISTS,
    PLAY_GENRES,
    PLAYLIST_TRACKS,
    PLAYLISTS,
    PROFILES,
    SAVED_TRACKS,
    SNAPSHOT_PULLS,
    TOP_ARTISTS,
    TOP_TRACKS,
    TRACK_FEATURES,
    TRACKS,
)
from spotifriend_dagster_tests.assets.conftest import MORNING
from spotifriend_dagster_tests.cleaned_home import CleaningHome
from spotifriend_dagster_tests.collected_home import simulated
from spotifriend_dagster_tests.sources.small_musicbrainz import SmallMusicBrainz, serving


def cleaned_home(path: Path, server: SimulatedSpotify) -> CleaningHome:
    """A night of collecting, twice: look-ups take their ids from what was cleaned before."""
    home = CleaningHome(path, server)
    home.sign_in("robin")
    home.collect("poll")
    home.clean()
    home.collect("collect")
    home.clean()
    home.earlier = {table: home.table(table) for table in DAILY_SNAPSHOTS}
    server.clock.advance(timedelta(seconds=30))
    home.collect("collect")
    assert home.clean().failed_checks == []
    return home


@pytest.fixture(scope="module")
def development(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleaningHome]:
    """The night as an app in development mode has it."""
    with simulated({"robin": truth}, MORNING, "development") as server:
        yield cleaned_home(tmp_path_factory.mktemp("development"), server)


@pytest.fixture(scope="module")
def extended(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleaningHome]:
    """The night as an app with extended quota has it."""
    with simulated({"robin": truth}, MORNING, "extended") as server:
        yield cleaned_home(tmp_path_factory.mktemp("extended"), server)


TOLD_TO_EXTENDED = {
    PROFILES: {"country", "product", "followers"},
    ARTISTS: {"popularity", "followers", "genres"},  # of most artists, development mode is told no genres
    TRACKS: {"popularity"},
    PLAYLISTS: {"items_total"},  # of other people's playlists
}


def test_both_dialects_give_the_same_tables(development: CleaningHome, extended: CleaningHome) -> None:
    """The same account, asked by an app of either kind: equal rows, but for what development mode is not told."""
    for table in DAILY_SNAPSHOTS:
        if table in (SNAPSHOT_PULLS, PLAYLIST_TRACKS):  # development mode is denied the content of others' playlists
            continue
        hidden = [*TOLD_TO_EXTENDED.get(table, ()), "pulled_at", "payload"]
        one, other = (home.table(table).drop(columns=hidden, errors="ignore") for home in (development, extended))
        assert len(one) or table.layer == "rejects"
        pd.testing.assert_frame_equal(one, other)
    one, other = (home.table(PLAYLIST_TRACKS).drop(columns="pulled_at") for home in (development, extended))
    shared = other[other["playlist_id"].isin(one["playlist_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, shared)


def test_tops_are_the_true_ones(development: CleaningHome, truth: Truth) -> None:
    """Rank by rank, over all three ranges."""
    listener, catalogue = development.server.listeners["robin"], truth.catalogue
    for table, kind, column, uris in (
        (TOP_TRACKS, "tracks", "track_uri", catalogue.releases["uri"]),
        (TOP_ARTISTS, "artists", "artist_id", catalogue.artists["uri"].str.rpartition(":")[2]),
    ):
        told = development.table(table)
        assert set(told["time_range"]) == {"short_term", "medium_term", "long_term"}
        for time_range, of_range in told.groupby("time_range"):
            true = listener.favourites(kind, str(time_range), MORNING)[:50]
            assert of_range["rank"].tolist() == list(range(1, len(true) + 1))
            assert of_range[column].tolist() == uris.iloc[true].tolist()


def test_the_library_is_the_true_one(development: CleaningHome, truth: Truth) -> None:
    """Saved tracks with their dates, followed artists, playlists with their owners."""
    listener, catalogue = development.server.listeners["robin"], truth.catalogue
    library = listener.library
    saved = kept(library.saved, MORNING)
    told = development.table(SAVED_TRACKS).set_index("track_uri")
    true = saved.assign(track_uri=catalogue.releases["uri"].iloc[saved["release"]].to_numpy()).set_index("track_uri")
    assert set(told.index) == set(true.index)
    assert (told["added_at"] == true["added_at"].dt.floor("s").reindex(told.index)).all()
    assert told["is_whole_library"].all() and told["library_total"].eq(len(saved)).all()

    followed = kept(library.followed, MORNING)["artist"]
    names = catalogue.artists["name"].iloc[followed]
    assert sorted(development.table(FOLLOWED_ARTISTS)["artist_name"]) == sorted(names)

    playlists = kept(library.playlists, MORNING).set_index("uri")
    listed = development.table(PLAYLISTS).set_index("playlist_uri")
    assert set(listed.index) == set(playlists.index)
    assert (listed["is_own"] == (playlists["owner"] == OWN).reindex(listed.index)).all()
    assert (listed["playlist_name"] == playlists["name"].reindex(listed.index)).all()


def test_what_is_in_playlists_is_true(development: CleaningHome, truth: Truth) -> None:
    """Entry by entry, at its place and with its playlist's version; what is gone leaves a hole and a reject."""
    listener, catalogue = development.server.listeners["robin"], truth.catalogue
    held = development.table(PLAYLIST_TRACKS)
    versions = development.table(PLAYLISTS).set_index("playlist_id")["snapshot_id"]
    assert held["playlist_id"].nunique() > 3
    for playlist, entries in held.groupby("playlist_id"):
        true = listener.library.entries(f"spotify:playlist:{playlist}", MORNING).reset_index(drop=True)
        there = true[true["kind"] != "gone"]
        assert entries["position"].tolist() == there.index.tolist()
        assert entries["media"].tolist() == there["kind"].tolist()
        tracks = there["kind"] == "track"
        uris = catalogue.releases["uri"].iloc[there.loc[tracks, "release"]]
        assert entries.loc[tracks.to_numpy(), "item_uri"].tolist() == uris.tolist()
        assert entries["added_at"].notna().tolist() == there["is_dated"].tolist()
        assert set(entries["snapshot_id"]) == {versions[playlist]}
    assert {"track", "local", "episode"} <= set(held["media"])


def test_look_ups_are_about_what_was_played(extended: CleaningHome, truth: Truth) -> None:
    """Tracks, and the artists and albums that they name; genres are those of the catalogue, or none."""
    plays_ = extended.frame("SELECT DISTINCT track_uri, artist_name FROM plays")
    assert set(extended.table(TRACKS)["track_uri"]) == set(plays_["track_uri"])
    artists = extended.table(ARTISTS)
    true = truth.catalogue.artists.set_index(truth.catalogue.artists["uri"].str.rpartition(":")[2])
    for row in artists.itertuples():
        assert row.artist_name == true.loc[row.artist_id, "name"]
        assert list(row.genres) in ([], list(true.loc[row.artist_id, "genres"]))
    assert set(plays_["artist_name"]) <= set(artists["artist_name"])
    albums = extended.table(ALBUMS)
    assert set(albums["album_id"]) <= set(extended.table(TRACKS)["album_id"]) and albums["upc"].notna().all()


def test_genres_and_features_are_those_of_the_catalogue(extended: CleaningHome) -> None:
    """Each listen weighs one; a track that Spotify knows has features, all between their bounds."""
    told = extended.table(ARTIST_GENRES)
    assert set(told["genre_source"]) == {"spotify"}
    weights = extended.table(PLAY_GENRES).groupby("play_number")["weight"].sum()
    assert len(weights) and weights.to_numpy() == pytest.approx(1)
    found = extended.table(TRACK_FEATURES)
    assert set(found["feature_source"]) == {"spotify"}
    assert set(found["track_uri"]) == set(extended.table(TRACKS)["track_uri"])
    assert found[["energy", "valence"]].stack().between(0, 1).all()


def test_nothing_names_the_owner_or_their_friends(development: CleaningHome) -> None:
    """People are hashes, in which one person is always the same."""
    listener = development.server.listeners["robin"]
    profile = development.table(PROFILES).iloc[0]
    assert profile["account"] == person_hash(listener.account_id, listener.account_id)
    assert profile["owner"] == person_hash(listener.account_id, listener.user_id)
    secrets = (listener.user_id, listener.account_id, listener.email, "marguerite.k")
    for table in DAILY_SNAPSHOTS:
        text = development.table(table).to_csv()
        assert not [secret for secret in secrets if secret in text], table.name


def test_collecting_again_that_day_changes_nothing_but_the_instant(development: CleaningHome) -> None:
    """The last answer counts: half a minute later it is the same one, as nobody played or saved anything."""
    for table, before in development.earlier.items():
        if table not in (SNAPSHOT_PULLS, ARTISTS, TRACKS, ALBUMS):  # look-ups go on where they ended
            now = development.table(table)
            hidden = ["pulled_at"] if "pulled_at" in now else []
            pd.testing.assert_frame_equal(now.drop(columns=hidden), before.drop(columns=hidden))
    pulls = development.table(SNAPSHOT_PULLS)
    assert (pulls["rows"] == pulls["kept_rows"] + pulls["unused_rows"] + pulls["rejected_rows"]).all()
    assert pulls.groupby("source")["page"].nunique().max() == 2


def test_musicbrainz_is_asked_until_all_is_known_and_then_no_more(truth: Truth, tmp_path: Path) -> None:
    """Off, it is silent; on, it goes on where a busy service ended it; the user's file comes before it."""
    votes = {name: {"Small Genre": 2} for name in truth.catalogue.artists["name"]}
    with simulated({"robin": truth}, MORNING) as server, serving(SmallMusicBrainz(votes, {})) as service:
        home = CleaningHome(tmp_path, server)
        home.sign_in("robin")
        home.collect("poll")
        home.clean()
        home.clean("look_up")
        assert service.asked == [] and home.lake.storage.list(MUSICBRAINZ.folder) == []

        patience = Patience(sleep=lambda _seconds: None)
        home.musicbrainz = MusicBrainz("robin@example.org", service.url, patience)
        del home._cleaning
        service.failures = [(503, {})] * 4
        assert ("raw/musicbrainz", "everything_answered", "WARN") in home.clean("look_up").failed_checks
        assert home.clean("look_up").failed_checks == []
        asked = len(service.asked)
        assert len(set(service.asked)) == asked - 4
        assert home.clean("look_up").failed_checks == [] and len(service.asked) == asked
        raw = "".join(str(home.lake.storage.read(stored.key)) for stored in home.lake.storage.list(""))
        assert "robin@example.org" not in raw

        somebody = home.frame("SELECT MIN(artist_name) AS name FROM plays")["name"].item()
        (home.path / "genres.csv").write_text(f"artist,genre\n{somebody},My Own\nnobody\n", "utf-8")
        (tmp_path / "audio_features.csv").write_text("mood\nblue\n", "utf-8")
        failed = {(asset, check) for asset, check, severity in home.clean().failed_checks if severity == "WARN"}
        assert failed == {
            ("cleaned/artist_genres", "user_file_is_good"),
            ("cleaned/track_features", "user_file_is_good"),
        }
        told = home.table(ARTIST_GENRES).set_index("artist_name")
        assert told.loc[somebody, ["genre", "genre_source"]].tolist() == ["my own", "user"]
        others = told.drop(index=somebody)
        assert set(others["genre"]) == {"small genre"} and set(others["genre_source"]) == {"musicbrainz"}
        played = home.frame("SELECT DISTINCT artist_name AS name FROM plays")["name"]
        assert set(played) <= set(told.index)
