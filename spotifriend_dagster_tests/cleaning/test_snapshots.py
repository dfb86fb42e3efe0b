"""A day's answers beside plays: which of them count, equal tables from both dialects, and every item accounted for."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.snapshots import CleanedSnapshots
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster.tables.snapshots import (
    ALBUMS,
    ARTISTS,
    FOLLOWED_ARTISTS,
    PLAYLIST_TRACKS,
    PLAYLISTS,
    PROFILES,
    SAVED_TRACKS,
    SNAPSHOT_PULLS,
    SNAPSHOT_REJECTS,
    TOP_ARTISTS,
    TOP_TRACKS,
    TRACKS,
)
from spotifriend_dagster_tests.cleaning.asked import (
    Dialect,
    artist,
    cleaned_day,
    entry,
    episode,
    local,
    pages,
    playlist,
    pull,
    saved,
    track,
)
from spotifriend_dagster_tests.cleaning.received import text_of

TOPS = "me/top/tracks?time_range=short_term"
ITEMS = "/v1/playlists/p/items"

ONLY_EXTENDED = {PROFILES: ["country", "product", "followers"], ARTISTS: ["popularity", "followers"]} | {
    TRACKS: ["popularity"],
    PLAYLISTS: ["items_total"],
}
"""What development mode does not tell."""


def songs(result: CleanedSnapshots, table: Table, column: str = "track_uri") -> list[str]:
    return [uri.rpartition(":")[2] for uri in result.tables[table][column]]


def outcomes(result: CleanedSnapshots) -> list[list[int]]:
    """Of each pull: items, those kept, unused and rejected."""
    return result.pulls[["rows", "kept_rows", "unused_rows", "rejected_rows"]].to_numpy().tolist()


def whole_day(dialect: Dialect) -> CleanedSnapshots:
    """A day on which everything was asked, as an app of that dialect is answered."""
    profile = {"account": "acc", "id": "me", "type": "user"}
    told = {"country": "DE", "product": "premium", "followers": {"href": None, "total": 3}}
    described = {"popularity": 7, "followers": {"total": 9}} if dialect == "extended" else {}
    followed = {"items": [artist("a")], "next": None, "cursors": {"after": None}, "total": 1, "limit": 50, "href": ""}
    entries = [entry(track("a", dialect), dialect), entry(local("l"), dialect, is_local=True), None]
    entries += [entry(episode("e"), dialect), entry(track("b", dialect), dialect, added_at=None, added_by=None)]
    album = {"id": "al", "name": "Album", "type": "album", "artists": [artist("a")], "release_date": "1999"}
    return cleaned_day(
        profile=[pull([("me", profile | (told if dialect == "extended" else {}))])],
        top_tracks=[pull(pages(TOPS, [track("a", dialect), track("b", dialect)]))],
        top_artists=[pull(pages("me/top/artists?time_range=long_term", [artist("a", **described)]))],
        playlists=[pull(pages("me/playlists", [playlist("p", dialect), playlist("q", dialect, owner="x")]), 1)],
        playlist_items=[pull(pages(ITEMS, entries, 2), 2)],
        saved_tracks=[pull(pages("me/tracks", [saved(track(name, dialect)) for name in "abc"]))],
        followed_artists=[pull([("me/following?type=artist", {"artists": followed})])],
        artists=[pull([("artists/a", artist("a", genres=["Rock"], **described))])],
        tracks=[pull([("tracks/old", track("a", dialect))])],
        albums=[pull([("albums/al", album)])],
    )


def test_both_dialects_give_the_same_tables() -> None:
    """But for the columns that development mode does not tell, nobody can say which app asked."""
    development, extended = whole_day("development"), whole_day("extended")
    assert len(development.tables) == 10
    for table, frame in development.tables.items():
        assert len(frame)
        hidden = ONLY_EXTENDED.get(table, [])
        pd.testing.assert_frame_equal(frame.drop(columns=hidden), extended.tables[table].drop(columns=hidden))
        assert extended.tables[table][hidden].notna().all(axis=None)
    assert development.unknown_fields == extended.unknown_fields == frozenset()
    pd.testing.assert_frame_equal(development.pulls, extended.pulls)


def test_what_an_object_says_is_read() -> None:
    """One row of each, in full."""
    result = whole_day("extended")
    row = result.tables[TOP_TRACKS].iloc[1].to_dict()
    assert row == {
        "collected_on": pd.Timestamp("2026-10-01"),
        "pulled_at": pd.Timestamp("2026-10-01T06:00Z"),
        "time_range": "short_term",
        "rank": 2,
        "track_uri": "spotify:track:b",
        "track_name": "Song b",
        "artist_name": "Artist b",
        "album_name": "Album",
        "artist_ids": ["b"],
        "artist_names": ["Artist b"],
        "isrc": "ISRCb",
        "duration_ms": 180_000,
    }
    assert result.tables[ARTISTS].iloc[0][["genres", "popularity", "followers"]].tolist() == [["Rock"], 7, 9]
    assert result.tables[PROFILES].iloc[0][["account", "owner", "product"]].tolist() == ["acc", "me", "premium"]
    assert result.tables[TOP_ARTISTS].iloc[0][["time_range", "artist_name"]].tolist() == ["long_term", "Artist a"]
    assert result.tables[ALBUMS].iloc[0][["album_id", "release_date", "artist_ids"]].tolist() == ["al", "1999", ["a"]]
    assert result.tables[TRACKS].iloc[0][["track_id", "track_uri"]].tolist() == ["old", "spotify:track:a"]


def test_what_a_playlist_holds_keeps_its_places() -> None:
    """A removed entry leaves a hole; local files and episodes are told apart; very old entries have no date."""
    held = whole_day("development").tables[PLAYLIST_TRACKS]
    assert held["position"].tolist() == [0, 1, 3, 4]
    assert held["media"].tolist() == ["track", "local", "episode", "track"]
    assert held["snapshot_id"].eq("p-1").all()
    assert held["added_at"].isna().tolist() == [False, False, False, True]
    assert held["added_by"].isna().tolist() == [False, False, False, True]
    assert pd.isna(held.loc[2, ["track_name", "artist_name", "isrc", "duration_ms"]]).all()


def test_a_playlist_is_own_when_the_profile_says_so() -> None:
    """Without the profile of the day, or without an owner, nobody can tell."""
    listed = pull(pages("me/playlists", [playlist("p"), playlist("q", owner="x"), playlist("r", owner=None)]))
    profile = pull([("me", {"account": "acc", "id": "me"})], 3)
    known = cleaned_day(playlists=[listed], profile=[profile]).tables[PLAYLISTS]
    assert known["is_own"].tolist() == [True, False, pd.NA]
    assert cleaned_day(playlists=[listed]).tables[PLAYLISTS]["is_own"].isna().all()


def test_content_has_the_version_that_was_listed_before_it() -> None:
    """A playlist that changes twice a day is pulled twice; what counts is the last, with its own version."""
    listed = [pull(pages("me/playlists", [playlist("p", snapshot_id=f"v{hour}")]), 60 * hour) for hour in (0, 2, 4)]
    content = [pull(pages(ITEMS, [entry(track("a"))]), 60 * hour + 1) for hour in (0, 2)]
    held = cleaned_day(playlists=listed, playlist_items=content).tables[PLAYLIST_TRACKS]
    assert held["snapshot_id"].tolist() == ["v2"]
    assert cleaned_day(playlist_items=content).tables[PLAYLIST_TRACKS]["snapshot_id"].isna().all()


def test_the_last_answer_about_a_range_counts() -> None:
    """A pull that stopped after one range takes nothing from the others."""
    morning = [*pages(TOPS, [track("a"), track("b")]), *pages(TOPS.replace("short", "long"), [track("c")])]
    result = cleaned_day(top_tracks=[pull(morning), pull(pages(TOPS, [track("b")]), 60)])
    assert result.tables[TOP_TRACKS][["time_range", "rank"]].to_numpy().tolist() == [
        ["long_term", 1],
        ["short_term", 1],
    ]
    assert songs(result, TOP_TRACKS) == ["c", "b"]
    assert outcomes(result) == [[3, 1, 2, 0], [1, 1, 0, 0]]


def test_what_left_the_library_between_two_whole_pulls_is_gone() -> None:
    """A playlist that the last whole pull does not name was deleted; a pull that stopped early proves nothing."""
    both = pull(pages("me/playlists", [playlist("p"), playlist("q")]))
    one = pull(pages("me/playlists", [playlist("q")]), 60)
    stopped = pull(pages("me/playlists", [playlist("n"), playlist("q")], 1, stop=1), 120)
    assert cleaned_day(playlists=[both, one]).tables[PLAYLISTS]["playlist_id"].tolist() == ["q"]
    assert cleaned_day(playlists=[one, both]).tables[PLAYLISTS]["playlist_id"].tolist() == ["q"]
    assert cleaned_day(playlists=[both, stopped]).tables[PLAYLISTS]["playlist_id"].tolist() == ["n", "p", "q"]
    assert cleaned_day(playlists=[stopped]).tables[PLAYLISTS]["playlist_id"].tolist() == ["n"]


def test_two_pulls_of_one_playlist_are_never_mixed() -> None:
    """Places of one version beside those of another, or half a playlist, would be one that never was."""
    whole = pull(pages(ITEMS, [entry(track(name)) for name in "abc"], 2))
    stopped = pull(pages(ITEMS, [entry(track(name)) for name in "xyz"], 2, stop=1), 60)
    assert songs(cleaned_day(playlist_items=[whole, stopped]), PLAYLIST_TRACKS, "item_uri") == ["a", "b", "c"]
    nothing = cleaned_day(playlist_items=[stopped])
    assert nothing.tables[PLAYLIST_TRACKS].empty
    assert outcomes(nothing) == [[2, 0, 2, 0]]
    later = pull(pages(ITEMS, [entry(track("z"))]), 120)
    assert songs(cleaned_day(playlist_items=[whole, stopped, later]), PLAYLIST_TRACKS, "item_uri") == ["z"]


def test_saved_tracks_say_whether_they_are_the_whole_library() -> None:
    """The first pull goes to the end; later ones only as far as they hear something new."""
    whole = pull(pages("me/tracks", [saved(track(name)) for name in "abc"], 2))
    new = pull(pages("me/tracks", [saved(track(name)) for name in "nabc"], 2, stop=1), 60)
    day = cleaned_day(saved_tracks=[whole, new]).tables[SAVED_TRACKS]
    assert day["track_name"].tolist() == ["Song a", "Song b", "Song c", "Song n"]
    assert day["is_whole_library"].all()
    assert day["library_total"].eq(4).all()
    only_new = cleaned_day(saved_tracks=[new]).tables[SAVED_TRACKS]
    assert only_new["track_name"].tolist() == ["Song a", "Song n"]
    assert not only_new["is_whole_library"].any()


@pytest.mark.parametrize(
    ("source", "endpoint", "item", "reason"),
    [
        ("top_tracks", TOPS, None, "no track"),
        ("top_artists", TOPS, {"id": "a"}, "no artist"),
        ("playlists", "me/playlists", {"name": "without id"}, "no playlist"),
        ("playlist_items", ITEMS, None, "no track: removed, or not to be had"),
        ("playlist_items", ITEMS, entry(None), "no track: removed, or not to be had"),
        ("playlist_items", ITEMS, entry(track("a", uri=None)), "no URI"),
        ("playlist_items", ITEMS, entry(track("a", type="chapter")), "neither a track nor an episode"),
        ("saved_tracks", "me/tracks", saved(None), "no track"),
        ("saved_tracks", "me/tracks", saved(track("a"), None), "no time stamp"),
        ("saved_tracks", "me/tracks", saved(track("a"), "soon"), "time stamp is no time"),
    ],
)
def test_bad_items_are_set_aside_with_a_reason(source: str, endpoint: str, item: Any, reason: str) -> None:
    """One bad item rejects itself, with its text and its place, and not its page."""
    good = {"playlists": playlist("p"), "playlist_items": entry(track("b")), "saved_tracks": saved(track("b"))}
    beside = good.get(source, track("b"))
    result = cleaned_day(**{source: [pull(pages(endpoint, [beside, item], 1))]})
    assert result.rejects[["source", "origin", "row", "reason", "payload"]].to_numpy().tolist() == [
        [source, "2026-10-01", 1, reason, text_of(item)]
    ]
    assert outcomes(result) == [[2, 1, 0, 1]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "answer is not readable as JSON"),
        ("[]", "answer has no list of items"),
        ({"error": {"status": 500}}, "answer has no list of items"),
        ({"artists": None}, "answer has no list of items"),
    ],
)
def test_an_answer_that_cannot_be_read_is_none(body: Any, reason: str) -> None:
    """It is rejected as one item, and what an earlier pull of the day said still counts."""
    page = {"artists": {"items": [artist("a"), artist("b")], "next": None}}
    good, bad = pull([("me/following", page)]), pull([("me/following", body)], 60)
    result = cleaned_day(followed_artists=[good, bad])
    assert result.tables[FOLLOWED_ARTISTS]["artist_id"].tolist() == ["a", "b"]
    assert result.rejects[["reason", "payload"]].to_numpy().tolist() == [[reason, text_of(body)]]


def test_unknown_fields_are_named_by_where_they_stand() -> None:
    """A field that Spotify adds tomorrow is reported, at whatever depth; a known one is not, in whatever dialect."""
    strange = track("a", mood="blue") | {"artists": [artist("a", verified=True)]}
    result = cleaned_day(saved_tracks=[pull([("me/tracks", {"items": [saved(strange)], "next": None, "hint": 1})])])
    assert result.unknown_fields == {"track.mood", "artist.verified", "saved_tracks.hint"}


def test_a_pull_without_answers_is_a_day_without_rows() -> None:
    """A source that was asked and said nothing still has its table, so that the day is known to be worked through."""
    result = cleaned_day(saved_tracks=[pull([])], playlists=[pull([])], playlist_items=[pull([])], profile=[pull([])])
    assert {table: len(frame) for table, frame in result.tables.items()} == dict.fromkeys(
        (PROFILES, PLAYLISTS, PLAYLIST_TRACKS, SAVED_TRACKS), 0
    )


names = st.sampled_from("abcdef")
bad = st.sampled_from([None, {}, {"track": {}, "item": {}}])
entries = st.lists(names.map(lambda name: entry(track(name))) | bad, max_size=6)
library = st.lists(names.map(lambda name: saved(track(name))) | bad, max_size=6)


def only_what_is_said(result: CleanedSnapshots) -> list[Any]:
    return [
        frame.astype("str").to_numpy().tolist() for frame in (*result.tables.values(), result.pulls, result.rejects)
    ]


@settings(deadline=None, max_examples=8)
@given(
    content=st.lists(entries, min_size=1, max_size=3),
    liked=st.lists(library, min_size=1, max_size=3),
    stops=st.lists(st.sampled_from([None, 1]), min_size=3, max_size=3),
    seed=st.randoms(),
)
def test_items_add_up_and_the_order_of_objects_does_not_matter(
    content: list[list[Any]], liked: list[list[Any]], stops: list[int | None], seed: random.Random
) -> None:
    """Items = kept + repeated + rejected, typed as declared; in whatever order storage lists objects and pages."""
    received = {
        "playlist_items": [pull(pages(ITEMS, items, 2), hour) for hour, items in enumerate(content)],
        "saved_tracks": [
            pull(pages("me/tracks", items, 2, stop=stops[hour]), hour) for hour, items in enumerate(liked)
        ],
    }
    result = cleaned_day(**received)
    typed = {SNAPSHOT_REJECTS: result.rejects, SNAPSHOT_PULLS: result.pulls, **result.tables}
    for table, frame in typed.items():
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            column.name: dtype(column) for column in table.columns
        }
        assert not frame.duplicated([name for name in table.grain if name != "listener"]).any()
    sizes = [len(items if stop is None else items[:2]) for items, stop in zip(liked, stops, strict=False)]
    by_source = result.pulls.set_index("source")
    assert by_source.loc[["playlist_items"], "rows"].tolist() == [len(items) for items in content]
    assert by_source.loc[["saved_tracks"], "rows"].tolist() == sizes
    assert by_source["kept_rows"].groupby("source").sum().to_dict() == {
        "playlist_items": len(result.tables[PLAYLIST_TRACKS]),
        "saved_tracks": len(result.tables[SAVED_TRACKS]),
    }
    assert (by_source["unused_rows"] >= 0).all()
    assert by_source["rejected_rows"].sum() == len(result.rejects)

    shuffled = {
        source: [pulls.sample(frac=1, random_state=seed.randrange(1000)) for pulls in seed.sample(pulls, len(pulls))]
        for source, pulls in received.items()
    }
    assert only_what_is_said(cleaned_day(**shuffled)) == only_what_is_said(result)


@settings(deadline=None, max_examples=8)
@given(items=entries, liked=library, size=st.integers(1, 7))
def test_the_size_of_pages_and_repeated_pulls_do_not_matter(items: list[Any], liked: list[Any], size: int) -> None:
    """Fifty per page or one, pulled once or again an hour later: the same rows."""
    once = cleaned_day(playlist_items=[pull(pages(ITEMS, items))], saved_tracks=[pull(pages("me/tracks", liked))])
    again = cleaned_day(
        playlist_items=[pull(pages(ITEMS, items, size)), pull(pages(ITEMS, items, size), 60)],
        saved_tracks=[pull(pages("me/tracks", liked, size)), pull(pages("me/tracks", liked, size), 60)],
    )
    for table, frame in once.tables.items():
        pd.testing.assert_frame_equal(frame.drop(columns="pulled_at"), again.tables[table].drop(columns="pulled_at"))
