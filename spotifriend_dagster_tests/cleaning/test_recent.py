"""Pages of recently-played: each play of a day once, and every item accounted for."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.recent import CleanedRecent, clean_recent
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster_tests.cleaning.received import DAY, NOW, cleaned_day, poll_of, polled, text_of


def test_both_dialects_of_the_web_api_are_read() -> None:
    """An app in development mode gets fewer fields than one with extended quota; neither may be required."""
    full = polled(0.123, popularity=7, available_markets=["GB"], type="track", linked_from={"uri": "spotify:track:z"})
    bare = {"played_at": "2024-03-01T12:03:00Z", "item": {"uri": "spotify:track:b"}}
    plays = cleaned_day(poll_of([bare, full])).plays
    first, second = plays.to_dict("records")
    assert first["track_uri"] == "spotify:track:b"
    assert first["played_at"] == pd.Timestamp("2024-03-01T12:03:00Z")
    assert pd.isna([first[name] for name in ("track_name", "artist_name", "isrc", "duration_ms", "context_uri")]).all()
    assert second == {
        "collected_on": pd.Timestamp(DAY),
        "played_at": pd.Timestamp("2024-03-01T12:00:00.123Z"),
        "page": "20240301T120000000Z.jsonl.gz",
        "row": 1,
        "track_uri": "spotify:track:a",
        "track_name": "Song a",
        "artist_name": "Artist a",
        "album_name": "Album",
        "artist_ids": ["artist-a"],
        "artist_names": ["Artist a"],
        "isrc": "ISRCa",
        "duration_ms": 180_000,
        "context_uri": "spotify:playlist:p",
        "copies": 1,
        "last_page": "20240301T120000000Z.jsonl.gz",
        "missing_from": None,
    }


def test_a_local_file_is_a_play() -> None:
    """A local file has a URI and names, but null ids, and an artist without a name has none."""
    local = polled(
        id=None, uri="spotify:local:x", artists=[{"id": None, "name": ""}], album={"name": None}, is_local=True
    )
    play = cleaned_day(poll_of([local])).plays.iloc[0]
    assert play["track_uri"] == "spotify:local:x"
    assert play["artist_ids"] == [None]
    assert pd.isna(play["artist_name"])


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, "no play"),
        ([], "no play"),
        ({"played_at": "2024-03-01T12:00:00Z"}, "no track"),
        ({"track": None, "played_at": "2024-03-01T12:00:00Z"}, "no track"),
        (polled(type="episode", uri="spotify:episode:e"), "an episode, not a track"),
        (polled(uri=None), "no track URI"),
        (polled() | {"played_at": None}, "no time stamp"),
        (polled() | {"played_at": 5}, "no time stamp"),
        (polled() | {"played_at": "now"}, "time stamp is no time"),
        (polled() | {"played_at": "2026-01-01T00:00:00Z"}, "time stamp is in the future"),
        (polled() | {"played_at": "2001-01-01T00:00:00Z"}, "time stamp is before 2006, when there was no Spotify"),
    ],
)
def test_bad_items_are_set_aside_with_a_reason(item: Any, reason: str) -> None:
    """One bad item rejects itself, with its text and its place, and not its page."""
    result = cleaned_day(poll_of([polled(60), item, polled(120)]))
    assert result.rejects[["origin", "row", "reason", "payload"]].to_numpy().tolist() == [
        ["2024-03-01", 1, reason, text_of(item)]
    ]
    assert result.plays["row"].tolist() == [0, 2]
    assert result.pages[["rows", "rejected_rows", "new_rows"]].to_numpy().tolist() == [[3, 1, 2]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"items": [', "page is not readable as JSON"),
        ("[]", "page has no list of plays"),
        ('{"items": null}', "page has no list of plays"),
        ('{"error": {"status": 500}}', "page has no list of plays"),
    ],
)
def test_a_page_that_cannot_be_read_is_rejected_as_one_row(answer: str, reason: str) -> None:
    """The page keeps its text and counts, so that the accounts still add up; other polls are not affected."""
    result = cleaned_day(poll_of(answer), poll_of([polled()], pulled=60))
    assert result.rejects[["row", "reason", "payload"]].to_numpy().tolist() == [[0, reason, answer]]
    assert result.pages[["rows", "rejected_rows", "new_rows"]].to_numpy().tolist() == [[1, 1, 0], [1, 0, 1]]
    assert len(result.plays) == 1


def test_the_first_poll_that_returned_a_play_has_it() -> None:
    """Hourly polls overlap: a play comes from the earliest of them, and the others are counted as copies."""
    early = poll_of([polled(60, "b"), polled(0, "a")], pulled=100)
    late = poll_of([polled(120, "c"), polled(60, "b"), polled(0, "a")], pulled=200)
    result = cleaned_day(late, early)
    plays = result.plays.set_index("track_name")
    assert plays["copies"].to_dict() == {"Song b": 2, "Song a": 2, "Song c": 1}
    assert plays.loc[["Song a", "Song b"], "page"].unique().tolist() == [early["file"].iloc[0]]
    assert result.pages["new_rows"].tolist() == [2, 1]
    assert result.pages["oldest_played_at"].tolist() == [pd.Timestamp("2024-03-01T12:00Z")] * 2
    assert result.pages["newest_played_at"].tolist() == [
        pd.Timestamp("2024-03-01T12:01Z"),
        pd.Timestamp("2024-03-01T12:02Z"),
    ]


def test_the_pages_of_one_poll_are_one() -> None:
    """A poll that followed `next` has several pages in one object: rows are counted through them."""
    pages = [poll_of([polled(60)], file="poll", page=0), poll_of([None, polled(0)], pulled=1, file="poll", page=1)]
    result = cleaned_day(*reversed(pages))
    assert result.plays["row"].tolist() == [0, 2]
    assert result.rejects["row"].tolist() == [1]
    assert result.pages[["page", "rows", "rejected_rows", "new_rows"]].to_numpy().tolist() == [["poll", 3, 1, 2]]
    assert result.pages["pulled_at"].tolist() == [pd.Timestamp("2024-03-01T12:00Z")]


def test_an_empty_page_is_a_page() -> None:
    """A poll that found nothing still proves that it was made."""
    result = cleaned_day(poll_of([]))
    assert result.pages["rows"].tolist() == [0]
    assert result.pages["oldest_played_at"].isna().all()
    assert result.plays.empty


items = st.builds(polled, st.integers(0, 5).map(lambda minutes: 60 * minutes), st.sampled_from("ab"))
pages = st.lists(items | st.sampled_from([None, {}, polled(uri=None)]), max_size=6)


def only_what_is_said(result: CleanedRecent) -> list[Any]:
    return [frame.astype("str").to_numpy().tolist() for frame in (result.plays, result.pages, result.rejects)]


@settings(deadline=None, max_examples=10)
@given(polls=st.lists(pages, min_size=1, max_size=5), seed=st.randoms())
def test_items_add_up_and_order_does_not_matter(polls: list[list[Any]], seed: random.Random) -> None:
    """Of every page: items = rejected + new + repeats; in whatever order storage lists the day's objects."""
    received = [poll_of(page, pulled=number) for number, page in enumerate(polls)]
    result = cleaned_day(*received)
    for frame, table in ((result.plays, RECENT_PLAYS), (result.pages, RECENT_PAGES), (result.rejects, RECENT_REJECTS)):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            column.name: dtype(column) for column in table.columns
        }
    assert result.pages["rows"].tolist() == [len(page) for page in polls]
    assert result.pages["rejected_rows"].sum() == len(result.rejects)
    assert result.pages["new_rows"].sum() == len(result.plays)
    assert result.plays["copies"].sum() + len(result.rejects) == sum(map(len, polls))
    assert not result.plays.duplicated(["played_at", "track_uri"]).any()
    assert only_what_is_said(cleaned_day(*seed.sample(received, len(received)))) == only_what_is_said(result)


@settings(max_examples=40, deadline=None)
@given(days=st.lists(st.lists(pages, min_size=1, max_size=3), min_size=2, max_size=3))
def test_a_day_gives_the_same_whichever_days_are_cleaned_with_it(days: list[list[list[Any]]]) -> None:
    """A backfill of a year is cleaned a month at a time, and must give what 365 nights gave."""
    dates = [DAY + timedelta(days=number) for number in range(len(days))]
    raw = [
        pd.concat([poll_of(page, pulled=3600 * n) for n, page in enumerate(polls)]).assign(dt=day.isoformat())
        for day, polls in zip(dates, days, strict=True)
    ]
    together = clean_recent(pd.concat(raw, ignore_index=True), NOW)
    alone = [clean_recent(day, NOW) for day in raw]
    for name in ("plays", "pages", "rejects"):
        expected = pd.concat([getattr(day, name) for day in alone], ignore_index=True)
        pd.testing.assert_frame_equal(getattr(together, name), expected)
