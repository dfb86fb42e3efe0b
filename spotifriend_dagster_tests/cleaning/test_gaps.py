"""Gaps between polls: every place where plays may be missing, and no other."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from spotifriend_dagster_tests.cleaning.received import (
    DAY,
    MUSIC,
    account,
    export_of,
    extended,
    poll_of,
    polled,
    united,
)

NOON = pd.Timestamp("2024-03-01 12:00", tz="UTC")
HOUR = 3600


def items(first: int, last: int) -> list[Any]:
    """Plays of three minutes, newest first: the n-th ends n minutes after noon."""
    return [polled(60 * number, f"n{number}") for number in range(last, first - 1, -1)]


def gaps(polls: list[pd.DataFrame], *exports: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Kind, first and last minute after noon, and what is open of it."""
    found = united(*exports, days={DAY: polls}).listening_gaps
    minutes = [
        (found[name] - NOON) / pd.Timedelta(minutes=1) for name in ("starts_at", "ends_at", "open_from", "open_until")
    ]
    return [
        (kind, start, end, (since, until) if is_open else None)
        for kind, is_open, start, end, since, until in zip(found["kind"], found["is_open"], *minutes, strict=True)
    ]


APART = [poll_of(items(1, 50), 50 * 60), poll_of(items(61, 110), 110 * 60)]


def test_a_full_page_whose_oldest_play_is_new_leaves_a_gap() -> None:
    """From the newest play that was known to the oldest of the page."""
    assert gaps(APART) == [("pages_apart", 50, 61, (50, 61))]


@pytest.mark.parametrize(
    "second", [items(50, 99), items(61, 109), items(2, 50), []], ids=["shares one", "not full", "no news", "empty"]
)
def test_pages_that_prove_continuity_leave_none(second: list[Any]) -> None:
    """A play that was known, or fewer plays than Spotify keeps."""
    assert gaps([poll_of(items(1, 50), 50 * 60), poll_of(second, 110 * 60)]) == []


def test_a_late_poll_is_told_and_is_not_open_where_nothing_is_missing() -> None:
    """A computer that slept has no gap where the pages share a play; over two hours are late, two are not."""
    first, second = items(1, 50), items(2, 51)
    assert gaps([poll_of(first, 0), poll_of(second, 2 * HOUR)]) == []
    assert gaps([poll_of(first, 0), poll_of(second, 2 * HOUR + 1)]) == [("poll_late", 0, 120 + 1 / 60, None)]
    late_and_apart = gaps([poll_of(first, 0), poll_of(items(61, 110), 5 * HOUR)])
    assert late_and_apart == [("pages_apart", 50, 61, (50, 61))]


def test_a_late_play_opens_no_false_gap() -> None:
    """One that comes after newer ones, with its own time, is among known plays; a page from the past is, too."""
    known = items(10, 49)
    with_late = sorted([*known, polled(60 * 20 + 30, "late")], key=lambda item: item["played_at"], reverse=True)
    assert gaps([poll_of(known, 50 * 60), poll_of(with_late, 60 * 60)]) == []
    assert gaps([poll_of(items(1, 50), 50 * 60), poll_of(items(1, 50), 60 * 60), poll_of(items(1, 50), 70 * 60)]) == []


def test_late_plays_hide_no_true_gap() -> None:
    """Plays of a device that was offline push each other out behind plays that were known: their oldest may be lost."""
    known, offline = items(61, 70), items(1, 60)
    page = [*known, *offline][:50]
    assert gaps([poll_of([*known, *items(-9, -5)], 70 * 60), poll_of(page, 80 * 60)]) == [
        ("pages_apart", -5, 21, (-5, 21))
    ]


def test_older_plays_than_any_that_are_known_leave_nothing_open() -> None:
    """A device that was offline before the first poll: where collecting began is no gap in it."""
    assert gaps([poll_of(items(61, 70), 70 * 60), poll_of(items(11, 60), 80 * 60)]) == [("pages_apart", 11, 11, None)]


def test_a_play_under_another_date_is_a_known_play() -> None:
    """A page that ends with a play that was known under another date reaches back to it."""
    again = [*items(3, 51), polled(60 * 2 + 5, "n2")]
    assert gaps([poll_of(items(1, 50), 50 * 60), poll_of(again, 60 * 60)]) == []


@pytest.mark.parametrize(
    ("first", "last", "is_open"),
    [
        (-10, 200, None),
        (50, 61, None),
        (-10, 55, (55, 61)),
        (55, 200, (50, 55)),
        (50, 55, (55, 61)),
        (55, 61, (50, 55)),
        (53, 56, (50, 61)),
        (61, 90, (50, 61)),
    ],
)
def test_an_export_closes_what_it_covers(first: int, last: int, is_open: tuple[int, int] | None) -> None:
    """The whole gap, or its side; a gap that is covered in its middle stays open from end to end."""
    export = export_of([extended(60 * first, "s"), extended(60 * last, "t")])
    assert gaps(APART, export) == [("pages_apart", 50, 61, is_open)]


def test_account_data_and_two_exports_close_gaps_too() -> None:
    """Account data covers from row to row; two exports that meet cover together."""
    data = export_of([account(10, "s"), account(100, "t")], MUSIC)
    assert gaps(APART, data) == [("pages_apart", 50, 61, None)]
    one, other = (
        export_of([extended(60 * first, "s"), extended(60 * last, "t")], export=name)
        for first, last, name in ((0, 55, "e1"), (55, 100, "e2"))
    )
    assert gaps(APART, one, other) == [("pages_apart", 50, 61, None)]
    day = 24 * 60
    silent = export_of([account(-day * 8, "s"), account(day * 7, "t")], MUSIC)
    assert gaps(APART, silent) == [("pages_apart", 50, 61, (50, 61))]


def test_an_export_within_another_hides_nothing_of_it() -> None:
    """Two fragments that a longer export holds: what lies after them is covered still."""
    exports = [
        export_of([extended(60 * first, "s"), extended(60 * last, "t")], export=name)
        for first, last, name in ((0, 100, "e1"), (10, 20, "e2"), (30, 40, "e3"))
    ]
    assert gaps(APART, *exports) == [("pages_apart", 50, 61, None)]


def test_the_order_in_storage_does_not_matter() -> None:
    """Gaps follow from instants alone."""
    assert gaps(APART[::-1]) == gaps(APART)
