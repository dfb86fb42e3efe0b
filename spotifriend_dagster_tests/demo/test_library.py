"""What the simulated listener keeps: the same for the same truth, growing and shrinking, and tied to what is played."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import pairwise

import pandas as pd
import pytest

from spotifriend_dagster.demo.diary import PLAYLISTS
from spotifriend_dagster.demo.library import OWN, WINDOWS, Library, collect_library, favourites, kept
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.polls import polled_plays


@pytest.fixture(scope="module")
def library(truth: Truth) -> Library:
    return collect_library(truth)


def test_the_same_truth_gives_the_same_library(truth: Truth, library: Library):
    """A test that fails is to fail again."""
    again = collect_library(truth)
    for name in ("playlists", "playlist_entries", "saved", "followed"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(library, name))


def test_nothing_is_kept_twice_at_once_nor_removed_before_it_was_added(library: Library):
    """Each row is a span of its own."""
    keys = {"playlist_entries": ["playlist", "release"], "saved": ["release"], "followed": ["artist"]}
    for name, key in keys.items():
        frame = getattr(library, name)
        assert (frame["removed_at"].dropna() > frame.loc[frame["removed_at"].notna(), "added_at"]).all()
        spans = frame[frame["kind"] == "track"] if name == "playlist_entries" else frame
        spans = spans[spans["is_dated"]] if name == "playlist_entries" else spans
        spans = spans.sort_values([*key, "added_at"])
        until_next = spans.groupby(key)["added_at"].shift(-1)
        assert not ((spans["removed_at"].isna() | (spans["removed_at"] > until_next)) & until_next.notna()).any()


def test_the_library_lives_through_the_years(truth: Truth, library: Library):
    """It was there before, grows, and loses some."""
    start = truth.events["started_at"].min()
    for frame in (library.playlist_entries, library.saved, library.followed):
        sizes = [len(kept(frame, start + part * (truth.end - start))) for part in (0, 0.25, 0.5, 0.75, 1)]
        assert 0 < sizes[0] < sizes[2] < sizes[4] < len(frame)
    assert len(kept(library.playlists, truth.end)) < len(library.playlists)
    assert len(kept(library.playlists, start)) < len(library.playlists)


def test_own_playlists_are_those_that_plays_name_and_hold_a_part_of_them(truth: Truth, library: Library):
    """What of a playlist is ever played has an answer that is neither nothing nor all."""
    own = library.playlists[library.playlists["owner"] == OWN]
    assert {truth.playlists[name] for name in PLAYLISTS} < set(own["uri"])
    plays = truth.events[truth.events["context_uri"].isin(own["uri"]) & (truth.events["media"] == "track")]
    entries = library.playlist_entries
    joined = plays.merge(entries, left_on=["context_uri", "release"], right_on=["playlist", "release"])
    is_inside = (joined["added_at"] <= joined["started_at"]) & ~(joined["removed_at"] <= joined["started_at"])
    assert 0.1 < is_inside.sum() / len(plays) < 0.9
    ever_played = set(zip(plays["context_uri"], plays["release"], strict=True))
    tracks = entries[(entries["kind"] == "track") & entries["playlist"].isin(own["uri"])]
    held = set(zip(tracks["playlist"], tracks["release"], strict=True))
    assert held & ever_played
    assert held - ever_played


def test_what_is_saved_and_followed_was_played_first_or_is_old(truth: Truth, library: Library):
    """A like of the time of the polls has its play before it."""
    start = truth.events["started_at"].min()
    for frame, key in ((library.saved, "release"), (library.followed, "artist")):
        recent = frame[frame["added_at"] >= start]
        first_play = truth.events.groupby(key)["started_at"].min()
        assert len(recent) > 20
        assert (recent["added_at"] > recent[key].map(first_play)).all()


@pytest.mark.parametrize("time_range", WINDOWS)
def test_favourites_are_counted_over_their_time_alone(truth: Truth, time_range: str):
    """What was played before the window counts for nothing, and neither does what Spotify does not know yet."""
    plays = polled_plays(truth)
    now = truth.events["started_at"].quantile(0.95).floor("s")
    inside = plays[(plays["played_at"] > now - WINDOWS[time_range]) & (plays["known_at"] <= now)]
    counts = Counter(truth.events["artist"].loc[inside["event"]].tolist())
    ranked = favourites(truth, plays, "artists", time_range, now)
    assert [counts[artist] for artist in ranked] == sorted(counts.values(), reverse=True)
    recordings = Counter(truth.events["recording"].loc[inside["event"]].tolist())
    tracks = truth.catalogue.releases["recording"].loc[favourites(truth, plays, "tracks", time_range, now)]
    assert [recordings[recording] for recording in tracks] == sorted(recordings.values(), reverse=True)


def test_a_playlist_has_changed_as_often_as_its_content_did(truth: Truth, library: Library):
    """Checked against the content itself, day by day."""
    playlist = truth.playlists[PLAYLISTS[0]]
    start = truth.events["started_at"].min()
    contents: list[tuple[int, ...]] = []
    changes: list[int] = []
    for day in pd.date_range(start, truth.end, freq="5D"):
        contents.append(tuple(library.entries(playlist, day).index))
        changes.append(library.changes(playlist, day))
    assert changes == sorted(changes)
    same = [earlier == later for earlier, later in pairwise(contents)]
    assert same == [earlier == later for earlier, later in pairwise(changes)]
    assert True in same
    assert False in same


def test_a_listener_of_a_few_days_has_playlists_that_never_held_anything():
    """Asking for one broke off the connection: weeks are what tests simulate."""
    brief = simulate(1, start=date(2025, 1, 1), years=0.02, home="Europe/Berlin")
    library = collect_library(brief)
    empty = set(library.playlists["uri"]) - set(library.playlist_entries["playlist"])
    assert empty
    for playlist in empty:
        assert library.entries(playlist, brief.end).empty
        assert library.changes(playlist, brief.end) == 0
