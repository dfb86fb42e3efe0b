"""What to ask of the Web API now, decided without asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.collecting.needs import ids_asked_for
from spotifriend_dagster.collecting.plans import (
    GOOD_FOR,
    DuePlaylist,
    Library,
    LibraryWalk,
    calls_left,
    look_ups_due,
    news_of_page,
    playlists_due,
    stop_in_force,
)
from spotifriend_dagster.collecting.records import PullRecord

NOON = datetime(2025, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ME = "a" * 32


def track_id(number: int) -> str:
    return f"{number:022d}"


def stop(source: str, until: datetime) -> PullRecord:
    return PullRecord(source, NOON, "stopped", retry_at=until)


def test_polls_always_keep_what_they_need_for_the_rest_of_the_day():
    """A library of thousands of songs must not cost the plays of the evening."""
    assert calls_left(300, 0, NOON, is_poll=False) == 288
    assert calls_left(300, 287, NOON, is_poll=False) == 1
    assert calls_left(300, 290, NOON, is_poll=False) == 0
    assert calls_left(300, 290, NOON, is_poll=True) == 10
    assert calls_left(300, 400, NOON, is_poll=True) == 0
    assert calls_left(300, 0, NOON.replace(hour=23, minute=59), is_poll=False) == 299


def test_a_stop_holds_until_it_ends():
    """While Spotify says to wait, a call makes it worse; after that, waiting loses plays."""
    stops = [stop("tracks", NOON + DAY), stop("artists", NOON + 2 * DAY), stop("tracks", NOON - DAY)]
    in_force = stop_in_force(stops, "top_tracks", NOON, is_poll=False)
    assert in_force is not None and in_force.source == "artists"
    assert stop_in_force(stops, "top_tracks", NOON + 2 * DAY, is_poll=False) is None


def test_a_stop_of_look_ups_does_not_stop_polls():
    """Spotify counts in buckets: a poll tries, and heeds what itself was told."""
    assert stop_in_force([stop("tracks", NOON + DAY)], "recently_played", NOON, is_poll=True) is None
    assert stop_in_force([stop("recently_played", NOON + DAY)], "recently_played", NOON, is_poll=True) is not None
    assert stop_in_force([stop("recently_played", NOON + DAY)], "tracks", NOON, is_poll=False) is not None


def playlist(id_: str, owner: str = ME, snapshot: str | None = "s1", collaborative: bool = False) -> dict[str, Any]:
    return {"id": id_, "owner": {"type": "user", "id": owner}, "snapshot_id": snapshot, "collaborative": collaborative}


def test_only_own_and_collaborative_playlists_that_changed_are_asked_for():
    """The content of others' playlists is denied, and what did not change costs a call for nothing."""
    listed = [
        playlist("new"),
        playlist("same"),
        playlist("changed", snapshot="s2"),
        playlist("theirs", owner="b" * 32),
        playlist("ours", owner="b" * 32, collaborative=True),
        playlist("refused"),
        playlist("unversioned", snapshot=None),
        playlist("new"),
        None,
        {"id": None},
        {"id": "nobody's", "owner": None},
    ]
    held = {"same": "s1", "changed": "s1", "theirs": "s0", "unversioned": None}
    assert playlists_due(listed, ME, held, {"refused"}) == [
        DuePlaylist("new", "s1"),
        DuePlaylist("changed", "s2"),
        DuePlaylist("ours", "s1"),
        DuePlaylist("unversioned", None),
    ]
    assert [due.id for due in playlists_due(listed, None, held, set())] == ["ours"]


def pages_of(library: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """A library's pages, newest first; an empty one has one page."""
    newest_first = sorted(library, reverse=True)
    items = [{"added_at": added_at, "track": {"uri": uri}} for added_at, uri in newest_first]
    return [
        {
            "items": items[at : at + 50],
            "total": len(items),
            "next": f"?offset={at + 50}" if at + 50 < len(items) else None,
        }
        for at in range(0, max(len(items), 1), 50)
    ]


def walked(library: list[tuple[str, str]], known: Library | None) -> tuple[LibraryWalk, list[dict[str, Any]]]:
    walk, kept = LibraryWalk(known), []
    for page in pages_of(library):
        kept.append(page)
        if not walk.wants_more_after(page):
            break
    return walk, kept


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_is_pulled_of_a_library_always_tells_what_is_in_it(data: st.DataObject):
    """Whatever is saved and removed between two pulls, what they kept gives the library as it is."""
    library = [(f"2025-01-01T{place // 60:02d}:{place % 60:02d}:00Z", f"spotify:track:{place}") for place in range(120)]
    library = library[: data.draw(st.sampled_from([0, 1, 49, 50, 51, 120]))]
    walk, kept = walked(library, None)
    mirror = {(item["added_at"], item["track"]["uri"]) for page in kept for item in page["items"]}
    for day in range(3):
        removed = data.draw(st.sets(st.integers(0, max(len(library) - 1, 0)), max_size=60))
        library = [row for place, row in enumerate(library) if place not in removed]
        new = data.draw(st.sampled_from([0, 1, 2, 50, 70]))
        library += [
            (f"2025-02-0{day + 1}T00:{n // 60:02d}:{n % 60:02d}Z", f"spotify:track:{day}-{n}") for n in range(new)
        ]
        walk, kept = walked(library, walk.found)
        told = {(item["added_at"], item["track"]["uri"]) for page in kept for item in page["items"]}
        mirror = told if walk.is_whole else mirror | told
        assert mirror == set(library)


def test_a_library_without_news_costs_one_page():
    """The ordinary day of somebody with thousands of saved songs."""
    library = [(f"2025-01-01T00:{n // 60:02d}:{n % 60:02d}Z", f"spotify:track:{n}") for n in range(1000)]
    walk, _ = walked(library, None)
    assert len(walked(library, walk.found)[1]) == 1
    assert len(walked([*library, ("2025-01-02T00:00:00Z", "spotify:track:new")], walk.found)[1]) == 1
    assert len(walked(library[:500] + library[501:], walk.found)[1]) == 20


@pytest.mark.parametrize("page", [None, [], {"items": None}, {"error": "broken"}])
def test_a_page_that_is_none_ends_a_walk(page: Any):
    """Asking on would never end."""
    assert not LibraryWalk(None).wants_more_after(page)


def test_the_oldest_need_is_looked_up_first():
    """New ids by their first play, old look-ups by when they got old: nobody waits for ever."""
    needed = {track_id(1): NOON - 400 * DAY, track_id(2): NOON - 10 * DAY, track_id(3): NOON - 700 * DAY}
    looked_up = {track_id(3): NOON - GOOD_FOR - 20 * DAY}
    assert look_ups_due(needed, looked_up, NOON, 9) == [track_id(1), track_id(3), track_id(2)]
    assert look_ups_due(needed, looked_up, NOON, 1) == [track_id(1)]


def test_nothing_is_looked_up_twice_while_it_is_good():
    """Nor what is no id of the catalogue: a local file has a URI, but no id."""
    needed = dict.fromkeys([track_id(1), "", "local:file", "x" * 21], NOON - DAY)
    assert look_ups_due(needed, {track_id(1): NOON}, NOON, 9) == []
    assert look_ups_due(needed, {track_id(1): NOON}, NOON + GOOD_FOR, 9) == [track_id(1)]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.integers(0, 30), st.integers(0, 500)), st.integers(1, 9))
def test_every_id_is_looked_up_within_the_days_that_the_limit_takes(needed: dict[int, int], limit: int):
    """Day after day, each run takes what the runs before left over, until all is known."""
    first = {track_id(number): NOON - timedelta(days=days) for number, days in needed.items()}
    looked_up: dict[str, datetime] = {}
    for day in range(-(-len(first) // limit)):
        now = NOON + timedelta(days=day)
        due = look_ups_due(first, looked_up, now, limit)
        assert not set(due) & looked_up.keys()
        looked_up |= dict.fromkeys(due, now)
    assert looked_up.keys() == first.keys()


@pytest.mark.parametrize(
    ("endpoint", "ids"),
    [
        ("/v1/artists/0OdUWJ0sBjDrqHygGUXeCF", ["0OdUWJ0sBjDrqHygGUXeCF"]),
        ("/v1/tracks/0OdUWJ0sBjDrqHygGUXeCF?market=DE", ["0OdUWJ0sBjDrqHygGUXeCF"]),
        ("albums/0OdUWJ0sBjDrqHygGUXeCF", ["0OdUWJ0sBjDrqHygGUXeCF"]),
        ("/v1/audio-features?ids=a%2Cb,c", ["a", "b", "c"]),
        ("/v1/me/tracks?limit=50", []),
    ],
)
def test_an_endpoint_says_which_ids_it_asked_for(endpoint: str, ids: list[str]):
    """What was looked up is read from raw, whatever became of cleaning."""
    assert ids_asked_for(endpoint) == ids


def page(*minutes: int) -> dict[str, Any]:
    instants = [(NOON + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.000Z") for minute in minutes]
    return {"items": [{"played_at": at, "track": {"uri": f"spotify:track:{at}"}} for at in sorted(instants)[::-1]]}


def test_pages_that_share_a_play_have_no_gap():
    """However many are new: what both hold shows that nothing lies between them."""
    assert news_of_page(page(*range(50)), page(*range(-49, 1))).new_plays == 49
    assert news_of_page(page(*range(50)), page(*range(-49, 1))).gap is None


def test_a_full_page_of_news_tells_where_plays_may_be_missing():
    """Spotify tells 50 plays; what was before the oldest of them, nobody knows."""
    news = news_of_page(page(*range(50)), page(-20, -10))
    assert (news.new_plays, news.gap) == (50, ("2025-03-20T11:50:00.000Z", "2025-03-20T12:00:00.000Z"))
    assert news_of_page(page(*range(49)), page(-20, -10)).gap is None
    assert news_of_page(page(*range(50)), None).gap is None
    assert news_of_page({"items": []}, page(1)).new_plays == 0
