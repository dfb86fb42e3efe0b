"""Discovery, return and repeats, listen by listen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.novelty import add_novelty, known_history_start
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster_tests.cleaning.typed_rows import plays_of

NOON = datetime(2020, 3, 1, 12, tzinfo=UTC)
HALF_A_YEAR = timedelta(days=180)
COLUMNS = ("artist_novelty", "recording_novelty", "is_repeat")
CLASSES = {"discovery", "returning", "rediscovery", "lapsed"}


def is_listen(row: dict[str, Any]) -> bool:
    return row.get("is_counted", True) and row.get("is_listen", True)


def is_music(row: dict[str, Any]) -> bool:
    return is_listen(row) and row.get("media", "track") == "track"


def known_from(rows: list[dict[str, Any]]) -> datetime | None:
    listens = [row["started_at"] for row in rows if is_listen(row)]
    for listen, following in pairwise(listens):
        if following - listen <= timedelta(days=30):
            return listen
    return None


def novelty_by_the_letter(rows: list[dict[str, Any]], of: str) -> list[str | None]:
    start = known_from(rows)
    heard: dict[str, list[datetime]] = {}
    classes: list[str | None] = []
    for row in rows:
        if not is_music(row) or row[of] is None or start is None or row["started_at"] < start:
            classes.append(None)
            continue
        earlier = heard.setdefault(row[of], [])
        if not earlier:
            classes.append("discovery")
        elif row["started_at"] - earlier[-1] < HALF_A_YEAR:
            classes.append("returning")
        else:
            classes.append("rediscovery" if len(earlier) >= 3 else "lapsed")
        earlier.append(row["started_at"])
    return classes


def repeats_by_the_letter(rows: list[dict[str, Any]]) -> list[bool | None]:
    music = [row for row in rows if is_music(row)]
    return [
        any(
            other["recording_id"] == row["recording_id"]
            and timedelta(0) < row["started_at"] - other["started_at"] <= timedelta(hours=168)
            for other in music
        )
        if is_music(row)
        else None
        for row in rows
    ]


def novelty_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    plays = add_novelty(plays_of(rows))[list(COLUMNS)]
    return plays.astype(object).where(plays.notna(), None).to_dict("list")


plays = st.fixed_dictionaries(
    {
        "started_at": (st.integers(0, 24 * 900) | st.sampled_from([0, 168, 336, 24 * 180, 24 * 360])).map(
            lambda hours: NOON + timedelta(hours=hours)
        ),
        "artist_name": st.sampled_from(["A", "B", None]),
        "recording_id": st.sampled_from(["x", "y", "z"]),
        "media": st.sampled_from(["track", "track", "track", "episode"]),
        "is_listen": st.sampled_from([True, True, True, False]),
        "is_counted": st.sampled_from([True, True, True, False]),
    }
)
histories = st.lists(plays, max_size=25).map(lambda rows: sorted(rows, key=lambda row: row["started_at"]))


@settings(deadline=None, max_examples=60)
@given(rows=histories)
def test_novelty_and_repeats_follow_the_rules(rows: list[dict[str, Any]]) -> None:
    """A plain loop over the plays agrees, for artists, for recordings and for repeats."""
    novelty = novelty_of(rows)
    assert novelty["artist_novelty"] == novelty_by_the_letter(rows, "artist_name")
    assert novelty["recording_novelty"] == novelty_by_the_letter(rows, "recording_id")
    assert novelty["is_repeat"] == repeats_by_the_letter(rows)
    start = known_history_start(plays_of(rows))
    assert (None if start is pd.NaT else start) == known_from(rows)


@settings(deadline=None, max_examples=25)
@given(rows=histories.filter(bool))
def test_every_listen_in_the_known_history_is_exactly_one_thing(rows: list[dict[str, Any]]) -> None:
    """And every artist and recording heard there is discovered there exactly once."""
    flagged = add_novelty(plays_of(rows))
    start = known_from(rows)
    known = flagged[[is_music(row) and start is not None and row["started_at"] >= start for row in rows]]
    for novelty, of in (("artist_novelty", "artist_name"), ("recording_novelty", "recording_id")):
        heard = known[known[of].notna()]
        assert set(heard[novelty]) <= CLASSES
        assert heard[novelty].notna().sum() == flagged[novelty].notna().sum()
        assert (heard[novelty] == "discovery").sum() == heard[of].nunique()


def listens(*days: float) -> list[dict[str, Any]]:
    return [{"started_at": NOON + timedelta(days=day)} for day in days]


@pytest.mark.parametrize(
    ("days", "last"),
    [
        ((0, 1), "returning"),
        ((0, 1, 1 + 179.999), "returning"),
        ((0, 1, 1 + 180), "lapsed"),
        ((0, 1, 2, 2 + 180), "rediscovery"),
        ((0, 1, 181, 361), "rediscovery"),  # a return after half a year is an earlier listen too
        ((0, 1, 2, 182, 183), "returning"),
    ],
)
def test_half_a_year_and_three_listens_are_the_limits(days: tuple[float, ...], last: str) -> None:
    """Exactly 180 days are a return from afar; exactly three earlier listens make it a rediscovery."""
    assert novelty_of(listens(*days))["artist_novelty"][-1] == last


@pytest.mark.parametrize(("hours", "is_repeat"), [(168, True), (168.001, False), (0.01, True)])
def test_a_repeat_is_heard_again_within_168_hours(hours: float, is_repeat: bool) -> None:
    """A week to the hour, whatever the calendar says."""
    assert novelty_of(listens(0, hours / 24))["is_repeat"] == [False, is_repeat]


def test_plays_that_start_together_do_not_repeat_each_other() -> None:
    """Overlapping reports of one moment are no repeat; a listen before both makes both of them one."""
    assert novelty_of(listens(0, 0))["is_repeat"] == [False, False]
    assert novelty_of(listens(0, 1, 1))["is_repeat"] == [False, True, True]


def test_a_stray_first_row_is_no_discovery() -> None:
    """Exports hold single rows from years before: the known history, and discovery, begin after them."""
    novelty = novelty_of(listens(-900, 0, 1))
    assert novelty["artist_novelty"] == novelty["recording_novelty"] == [None, "discovery", "returning"]
    assert novelty["is_repeat"] == [False, False, True]
    assert known_history_start(plays_of(listens(-900, 0, 1))) == NOON


def test_a_history_that_is_never_followed_up_is_not_known() -> None:
    """Listens more than 30 days apart, each alone, discover nothing."""
    assert known_history_start(plays_of(listens(0, 31, 62))) is pd.NaT
    assert known_history_start(plays_of([])) is pd.NaT
    assert novelty_of(listens(0, 31))["artist_novelty"] == [None, None]
    assert known_history_start(plays_of(listens(0, 30))) == NOON


def test_a_podcast_shows_that_the_history_is_known() -> None:
    """What is known is listening, of any media; private plays and plays under 30 s show nothing."""
    song, after = listens(0, 20)
    assert known_history_start(plays_of([song, after | {"media": "episode"}])) == NOON
    assert known_history_start(plays_of([song, after | {"is_counted": False}])) is pd.NaT
    assert known_history_start(plays_of([song, after | {"is_listen": False}])) is pd.NaT


def test_private_and_short_plays_discover_nothing() -> None:
    """The first counted listen is the discovery, whatever was played before it."""
    first, second, third, fourth = listens(0, 1, 2, 3)
    rows = [first | {"is_counted": False}, second | {"is_listen": False}, third, fourth]
    assert novelty_of(rows)["recording_novelty"] == [None, None, "discovery", "returning"]
    assert novelty_of(rows)["is_repeat"] == [None, None, False, True]


def test_an_unknown_artist_is_nobody_new() -> None:
    """The recording is known, its artist is not."""
    first, second = listens(0, 1)
    novelty = novelty_of([first | {"artist_name": None}, second | {"artist_name": None}])
    assert novelty["artist_novelty"] == [None, None]
    assert novelty["recording_novelty"] == ["discovery", "returning"]


def test_novelty_has_the_types_that_plays_declares() -> None:
    """Also without plays, and without music."""
    for rows in ([], [{}], [{"media": "episode"}]):
        flagged = add_novelty(plays_of(rows))
        assert {name: str(flagged[name].dtype) for name in COLUMNS} == {
            name: dtype(PLAYS.column(name)) for name in COLUMNS
        }
