"""What a play counts as, by the letter of docs/metrics.md."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.flags import add_flags
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster_tests.cleaning.typed_rows import plays_of

FLAGS = ("is_counted", "is_listen", "is_scrobble", "is_full", "is_skip", "is_early_exit")
Flags = dict[str, bool | None]


def flags_by_the_letter(row: dict[str, Any], following: dict[str, Any] | None, include_private: bool) -> Flags:
    played, duration, reason = row["ms_played"], row["duration_ms"], row["reason_end"]
    telling = row["source"] == "extended" and reason not in (None, "", "unknown", "trackerror")
    scrobble = full = skip = early_exit = None
    if duration is not None:
        scrobble = duration > 30_000 and played >= min(0.5 * duration, 240_000)
    if reason == "trackdone" and played >= 30_000:
        full = True
    elif duration is not None:
        full = played >= 0.8 * duration
    elif reason not in (None, "", "unknown") or played < 30_000:
        full = False
    if telling:
        skip = reason in ("fwdbtn", "nextbtn") and played < min(30_000, 0.5 * duration if duration else 30_000)
        left = reason in ("fwdbtn", "nextbtn", "backbtn", "clickrow", "click-row", "playbtn")
        if reason == "endplay" and following is not None:
            left = following["reason_start"] in ("clickrow", "click-row", "playbtn")
        early_exit = left and played < 30_000
    return {
        "is_counted": include_private or not row["is_private"],
        "is_listen": played >= 30_000,
        "is_scrobble": scrobble,
        "is_full": full,
        "is_skip": skip,
        "is_early_exit": early_exit,
    }


def flags_of(rows: list[dict[str, Any]], include_private: bool = False) -> list[Flags]:
    flagged = add_flags(plays_of(rows), include_private)[list(FLAGS)]
    return flagged.astype(object).where(flagged.notna(), None).to_dict("records")


reasons = ["trackdone", "fwdbtn", "nextbtn", "backbtn", "clickrow", "click-row", "playbtn", "endplay", "logout"]
plays = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["extended", "extended", "account", "recent"]),
        "ms_played": st.sampled_from([0, 14_999, 15_000, 29_999, 30_000, 48_000, 120_000, 240_000])
        | st.integers(0, 500_000),
        "duration_ms": st.none()
        | st.sampled_from([30_000, 30_001, 60_000, 150_000, 480_000])
        | st.integers(1, 600_000),
        "reason_start": st.sampled_from([*reasons, None, "", "unknown"]),
        "reason_end": st.sampled_from([*reasons, None, "", "unknown", "trackerror"]),
        "is_private": st.booleans(),
    }
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(plays, max_size=15), include_private=st.booleans())
def test_every_flag_follows_the_rule(rows: list[dict[str, Any]], include_private: bool) -> None:
    """A plain reading of the rules, play by play, agrees in every flag and in every null."""
    following = [*rows, None][1:]
    expected = [flags_by_the_letter(row, after, include_private) for row, after in zip(rows, following, strict=True)]
    assert flags_of(rows, include_private) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"reason_end": "fwdbtn", "ms_played": 29_999}, {"is_skip": True, "is_early_exit": True, "is_listen": False}),
        ({"reason_end": "fwdbtn", "ms_played": 30_000}, {"is_skip": False, "is_early_exit": False, "is_listen": True}),
        # Half of a jingle of 40 s is 20 s: 25 s of it is no skip, though an early exit.
        (
            {"reason_end": "fwdbtn", "ms_played": 25_000, "duration_ms": 40_000},
            {"is_skip": False, "is_early_exit": True},
        ),
        ({"reason_end": "trackdone", "ms_played": 0}, {"is_full": False, "is_skip": False}),
        ({"reason_end": "logout", "ms_played": 160_000, "duration_ms": 200_000}, {"is_full": True}),
        ({"reason_end": "logout", "ms_played": 159_999, "duration_ms": 200_000}, {"is_full": False}),
        ({"ms_played": 240_000, "duration_ms": 900_000}, {"is_scrobble": True}),
        ({"ms_played": 239_999, "duration_ms": 900_000}, {"is_scrobble": False}),
        ({"ms_played": 30_000, "duration_ms": 30_000}, {"is_scrobble": False}),
        ({"ms_played": 180_000, "duration_ms": 0}, {"is_scrobble": None}),
        ({"source": "account", "ms_played": 5_000}, {"is_skip": None, "is_early_exit": None, "is_full": False}),
        ({"source": "account", "ms_played": 50_000}, {"is_skip": None, "is_early_exit": None, "is_full": None}),
        ({"reason_end": "trackerror", "ms_played": 50_000}, {"is_skip": None, "is_full": False}),
        ({"reason_end": "unknown", "ms_played": 50_000}, {"is_skip": None, "is_full": None}),
    ],
)
def test_the_edges_of_the_rules(row: dict[str, Any], expected: Flags) -> None:
    """The rules at their limits, and what is null because it cannot be known."""
    flags = flags_of([row])[0]
    assert {name: flags[name] for name in expected} == expected


def test_a_play_ended_by_choosing_another_is_an_early_exit() -> None:
    """`endplay` says that something ended the play; how the next one started says whether the listener did."""
    for reason_start, is_early_exit in [("clickrow", True), ("playbtn", True), ("trackdone", False), (None, False)]:
        rows = [{"ms_played": 9_000, "reason_end": "endplay"}, {"reason_start": reason_start}]
        assert flags_of(rows)[0]["is_early_exit"] is is_early_exit
    assert flags_of([{"ms_played": 9_000, "reason_end": "endplay"}])[0]["is_early_exit"] is False


def test_skips_and_early_exits_are_decided_for_the_same_plays() -> None:
    """Their rates stand beside each other, so they share a denominator."""
    rows = [
        {"source": source, "reason_end": reason, "ms_played": ms}
        for source in ("extended", "account", "recent")
        for reason in (*reasons, None, "unknown", "trackerror")
        for ms in (9_000, 90_000)
    ]
    flagged = add_flags(plays_of(rows), False)
    assert flagged["is_skip"].isna().equals(flagged["is_early_exit"].isna())


def test_flags_have_the_types_that_plays_declares() -> None:
    """Also without plays."""
    for rows in ([], [{}]):
        flagged = add_flags(plays_of(rows), False)
        assert {name: str(flagged[name].dtype) for name in FLAGS} == {name: dtype(PLAYS.column(name)) for name in FLAGS}


def test_plays_keep_their_other_columns_and_their_index() -> None:
    """Flags are added, nothing else changes."""
    before = plays_of([{"ms_played": 1}, {"ms_played": 2}]).set_index(pd.Index([5, 3]))
    after = add_flags(before, False)
    pd.testing.assert_frame_equal(
        after[[c for c in before if c not in FLAGS]], before[[c for c in before if c not in FLAGS]]
    )
