"""Genres, tops, playlists and library of a simulated listener: what the insights find against what is true of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.library import collect_library, favourites, kept
from spotifriend_dagster.demo.listener import simulate
from spotifriend_dagster.demo.polls import polled_plays
from spotifriend_dagster.tables.snapshots import (
    ARTIST_GENRES,
    PLAY_GENRES,
    PLAYLIST_TRACKS,
    PLAYLISTS,
    SAVED_TRACKS,
    TOP_ARTISTS,
    TOP_TRACKS,
    TRACK_FEATURES,
)
from spotifriend_dagster_tests.insights.made_plays import frame_of
from spotifriend_dagster_tests.insights.made_snapshots import TIME_RANGES
from spotifriend_dagster_tests.insights.simulated import cleaned_tables

EXPORTED = datetime(2024, 11, 20, tzinfo=UTC)
DAYS = (EXPORTED - timedelta(days=12), EXPORTED)
LISTEN_MS = 30_000


@pytest.fixture(scope="module")
def truth():
    """Four months of one listener."""
    return simulate(15, start=date(2024, 7, 20), years=0.36, plays_per_day=40)


@pytest.fixture(scope="module")
def library(truth):
    return collect_library(truth)


@pytest.fixture(scope="module")
def run(lake, truth, library, tmp_path_factory):
    """The listener's export, and what Spotify would say on two days."""
    tables = cleaned_tables("anna", truth, tmp_path_factory.mktemp("export"), era="2025", cutoff=EXPORTED)
    plays = tables["plays"]
    tracks = release_facts(truth)
    told = [*said_on(DAYS[0], truth, library, tracks), *said_on(DAYS[1], truth, library, tracks)]
    rows: dict[str, list[dict]] = defaultdict(list)
    for table, row in told:
        rows[table.name].append(row)
    genres = {
        artist: tuple(sorted(said))
        for artist, said in zip(truth.catalogue.artists["name"], truth.catalogue.artists["genres"], strict=True)
    }
    listens = plays[plays["is_counted"] & plays["is_listen"] & (plays["media"] == "track")]
    rows["artist_genres"] = [
        {"listener": "anna", "artist_name": artist, "genre": genre, "genre_source": "user"}
        for artist in sorted(set(listens["artist_name"].dropna()))
        for genre in genres.get(artist, ())
    ]
    rows["play_genres"] = [
        {
            "listener": "anna",
            "year": row.started_at.year,
            "play_number": row.play_number,
            "genre": genre,
            "genre_source": "user",
            "weight": 1 / len(genres[row.artist_name]),
            "started_at": row.started_at,
        }
        for row in listens.itertuples()
        if isinstance(row.artist_name, str)
        for genre in genres.get(row.artist_name, ())
    ]
    declared = (ARTIST_GENRES, PLAY_GENRES, PLAYLISTS, PLAYLIST_TRACKS, SAVED_TRACKS, TOP_ARTISTS, TOP_TRACKS)
    return lake(
        **tables,
        **{table.name: frame_of(table, rows[table.name]) for table in declared},
        track_features=frame_of(TRACK_FEATURES, []),
    )


def release_facts(truth) -> list[dict]:
    """By release: what Spotify says of the track."""
    catalogue = truth.catalogue
    recordings = catalogue.recordings.iloc[catalogue.releases["recording"]]
    artists = catalogue.artists["name"].iloc[recordings["artist"]]
    columns = (catalogue.releases["uri"], recordings["title"], artists, catalogue.releases["isrc"])
    return [
        {"track_uri": uri, "track_name": title, "artist_name": artist, "isrc": isrc if isinstance(isrc, str) else None}
        for uri, title, artist, isrc in zip(*columns, strict=True)
    ]


def said_on(now, truth, library, tracks) -> Iterator[tuple]:
    """Rows, with their tables, of all that Spotify says at `now`."""
    day = {"listener": "anna", "year": now.year, "collected_on": now.date(), "pulled_at": now}
    names = truth.catalogue.artists["name"]
    plays = polled_plays(truth)
    for time_range in TIME_RANGES:
        for rank, release in enumerate(favourites(truth, plays, "tracks", time_range, now)[:50], start=1):
            yield TOP_TRACKS, {**day, "time_range": time_range, "rank": rank, **tracks[release]}
        for rank, artist in enumerate(favourites(truth, plays, "artists", time_range, now)[:50], start=1):
            about = {"artist_id": str(artist), "artist_name": names.iloc[artist]}
            yield TOP_ARTISTS, {**day, "time_range": time_range, "rank": rank, **about}
    for playlist in kept(library.playlists, now).itertuples():
        entries = library.entries(playlist.uri, now)
        entries = entries[entries["kind"] == "track"]
        about = {"playlist_id": playlist.uri.split(":")[-1], "playlist_uri": playlist.uri}
        yield PLAYLISTS, {**day, **about, "playlist_name": playlist.name, "items_total": len(entries)}
        for position, release in enumerate(entries["release"]):
            facts = dict(tracks[release])
            held = {"position": position, "media": "track", "item_uri": facts.pop("track_uri")}
            yield PLAYLIST_TRACKS, {**day, "playlist_id": about["playlist_id"], **held, **facts}
    saved = kept(library.saved, now)
    for release, added_at in zip(saved["release"], saved["added_at"], strict=True):
        about = {"added_at": added_at, "library_total": len(saved), "is_whole_library": True}
        yield SAVED_TRACKS, {**day, **about, **tracks[release]}


def true_listens(truth) -> pd.DataFrame:
    """The true listens of tracks before the export, private sessions left out, with their local dates and hours."""
    events = truth.events
    events = events[(events["media"] == "track") & (events["ms_played"] >= LISTEN_MS) & ~events["is_private"]]
    events = events[events["closed_at"] < EXPORTED]
    return events.join(ZoneHistory(truth.zones).localize(events["started_at"])[["local_hour", "weekday"]])


def test_spotifys_tops_agree_with_the_counts_of_the_same_plays(run):
    """Spotify counts what is true; so do the exports but for what they date otherwise: the tops are nearly the same."""
    rows = run("spotify_top_agreement")
    assert len(rows) == 6
    assert (rows["overlap_10"] >= 0.8).all()
    assert (rows["overlap_50"] >= 0.85).all()
    assert (rows["rank_biased_overlap"] > 0.8).all()
    assert rows.set_index("time_range")["is_minimum"].to_dict() == {
        "short_term": False,
        "medium_term": True,  # these go back to before the history
        "long_term": True,
    }


def test_genres_of_hours_and_weekends_are_the_true_ones(run, truth):
    """Shares of what was really heard, each listen split over the genres of its artist."""
    genres = truth.catalogue.artists["genres"]
    hours, weekends = defaultdict(Counter), defaultdict(Counter)
    for artist, hour, weekday in true_listens(truth)[["artist", "local_hour", "weekday"]].itertuples(index=False):
        for genre in genres.iloc[artist]:
            hours[hour][genre] += 1 / len(genres.iloc[artist])
            weekends[weekday >= 6][genre] += 1 / len(genres.iloc[artist])
    found = run("taste_by_hour")
    found = found[~found["is_small_sample"]]
    assert len(found) > 100
    true = [hours[row.local_hour][row.genre] / hours[row.local_hour].total() for row in found.itertuples()]
    assert found["share"].tolist() == pytest.approx(true, abs=0.04)
    week = run("weekday_weekend_genres").set_index("genre")
    assert set(week.index) == weekends[True].keys() | weekends[False].keys()
    for genre, row in week.iterrows():
        weekday, weekend = weekends[False][genre] / 5, weekends[True][genre] / 2
        assert row["weekend_share"] == pytest.approx(weekend / (weekday + weekend), abs=0.05)


def test_changes_of_playlists_are_the_true_ones(run, library):
    """Release by release, between the two days."""
    true = Counter()
    both = [set(kept(library.playlists, day)["uri"]) for day in DAYS]
    for uri in both[0] & both[1]:
        before, after = (
            Counter(entries.loc[entries["kind"] == "track", "release"])
            for entries in (library.entries(uri, day) for day in DAYS)
        )
        if before or after:
            true[uri.split(":")[-1], "added"] += (after - before).total()
            true[uri.split(":")[-1], "removed"] += (before - after).total()
    changes = run("playlist_changes").groupby(["playlist_id", "change"])["copies"].sum()
    assert sum(true.values()) > 0
    assert changes.to_dict() == {key: count for key, count in true.items() if count}


def test_what_of_playlists_and_library_was_heard_is_true(run, truth, library):
    """A song counts, whatever its release, if its recording was ever really listened to; all songs are known."""
    heard = set(true_listens(truth)["recording"])
    recordings = truth.catalogue.releases["recording"]
    playlists = run("playlist_listening").set_index("value")
    for playlist in kept(library.playlists, DAYS[1]).itertuples():
        entries = library.entries(playlist.uri, DAYS[1])
        held = set(entries.loc[entries["kind"] == "track", "release"])
        row = playlists.loc[playlist.uri.split(":")[-1]]
        assert row["tracks"] == len(held)
        assert row["heard_tracks"] == pytest.approx(sum(recordings.iloc[one] in heard for one in held), abs=1)
    saved = kept(library.saved, DAYS[1])
    last = run("library_growth").iloc[-1]
    assert (last["library_tracks"], last["spotify_tracks"]) == (len(saved), len(saved))
    share = sum(recordings.iloc[one] in heard for one in saved["release"]) / len(saved)
    assert last["library_heard_share"] == pytest.approx(share, abs=0.01)
