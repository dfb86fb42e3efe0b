"""Which rows of exports are the same play."""

from __future__ import annotations

import random
from collections import Counter
from functools import reduce
from operator import or_
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.duplicates import (
    EQUAL_ROW,
    OTHER_EXPORT,
    SAME_START,
    repeated_history,
)
from spotifriend_dagster_tests.cleaning.received import (
    AUDIO,
    MUSIC,
    account,
    cleaned,
    export_of,
    extended,
)
from spotifriend_dagster_tests.cleaning.typed_rows import history_of

START = 1_709_294_400
NOON_UTC = pd.Timestamp("2024-03-01 12:00", tz="UTC")
VIDEO = "Streaming_History_Video_2024.json"


def reasons(*exports: pd.DataFrame) -> list[str | None]:
    return [None if pd.isna(reason) else reason for reason in repeated_history(cleaned(*exports).plays)]


def test_rows_equal_in_every_field_are_one_play() -> None:
    """Exports hold exact copies; a row that differs in anything is a play of its own."""
    rows = [extended(), extended(), extended(reason_end="fwdbtn"), extended(shuffle=True), extended(track="b")]
    assert reasons(export_of(rows)) == [None, EQUAL_ROW, None, None, None]


def test_copies_in_other_files_of_the_export_are_found() -> None:
    """Files of old exports overlap. What also comes from a Video file is a video, which only the file tells."""
    audio, video = export_of([extended(), extended(60)]), export_of([extended()], VIDEO)
    plays = cleaned(audio, video).plays
    kept = plays[repeated_history(plays).isna()]
    assert kept[["file", "row"]].to_numpy().tolist() == [[plays["file"][1], 1], [VIDEO, 0]]


@pytest.mark.parametrize("track", ["a", None])
def test_account_rows_are_known_by_names(track: str | None) -> None:
    """Account data has no URIs: equal minute, names and length are one play; other names are another."""
    row = account() if track else account(trackName=None, artistName=None)
    assert reasons(export_of([row, row, account(track="b")], MUSIC)) == [None, EQUAL_ROW, None]


def test_rows_of_one_start_are_one_play_whatever_their_ts() -> None:
    """Spotify reports some plays twice, hours apart: same start, track and length. The earliest report is kept."""
    late, early = extended(7200, offline_timestamp=START), extended(200, offline_timestamp=START)
    in_milliseconds = extended(300, offline_timestamp=START * 1000 + 999)
    assert reasons(export_of([late, early, in_milliseconds])) == [SAME_START, None, SAME_START]


@pytest.mark.parametrize(
    "other",
    [
        extended(300, offline_timestamp=START + 1),
        extended(300, track="b", offline_timestamp=START),
        extended(300, ms_played=1, offline_timestamp=START),
    ],
)
def test_rows_that_share_not_all_of_start_track_and_length_are_two_plays(other: dict[str, Any]) -> None:
    """A song that is started again within its own length has another start or another length."""
    assert reasons(export_of([extended(200, offline_timestamp=START), other])) == [None, None]


@pytest.mark.parametrize("none", [0, None])
def test_no_start_is_no_equal_start(none: int | None) -> None:
    """0 and null mean that there is no offline_timestamp: two rows without one have nothing in common."""
    rows = [extended(200, offline_timestamp=none), extended(500, offline_timestamp=none)]
    assert reasons(export_of(rows)) == [None, None]


def test_exports_are_united_with_the_highest_multiplicity() -> None:
    """Two plays of one second in one export stay two, and one in another does not make them three."""
    two = export_of([extended(), extended(reason_end="fwdbtn")], export="e1")
    one = export_of([extended(platform="ios")], export="e0")
    assert reasons(one, two) == [OTHER_EXPORT, None, None]


def test_the_row_that_says_most_stays() -> None:
    """An old export may lack what a new one has (or the other way round), whichever has more rows."""
    poor = export_of([extended(reason_end=None), extended(60)], export="e1")
    rich = export_of([extended()], export="e2")
    assert reasons(poor, rich) == [OTHER_EXPORT, None, None]


def test_a_fragment_with_only_the_later_report_adds_nothing() -> None:
    """The second report of a play is a repeat in the whole export; alone in a fragment, it must not come back."""
    rows = [extended(200, offline_timestamp=START), extended(7200, offline_timestamp=START)]
    fragment = export_of(rows[1:], export="e0")
    assert reasons(fragment, export_of(rows, export="e1")) == [OTHER_EXPORT, None, SAME_START]
    # Also where the whole was exported before there were offline_timestamps.
    old = [{**row, "offline_timestamp": None} for row in rows]
    assert sorted(map(str, reasons(fragment, export_of(old, export="e1"), export_of(rows, export="e2")))) == sorted(
        [str(None), SAME_START, *[OTHER_EXPORT] * 3]
    )


rows_of_an_export = st.lists(
    st.fixed_dictionaries(
        {
            "ts": st.integers(0, 2).map(lambda seconds: NOON_UTC + pd.Timedelta(seconds=seconds)),
            "track_uri": st.sampled_from(["a", "b", None]),
            "ms_played": st.sampled_from([0, 180_000]),
            "reason_end": st.sampled_from(["trackdone", "fwdbtn", None]),
            "offline_at": st.sampled_from([None, NOON_UTC, NOON_UTC + pd.Timedelta(seconds=1)]),
        }
    ),
    max_size=6,
)
Export = list[dict[str, Any]]


def placed(rows: Export, export: str, file: str = AUDIO) -> Export:
    return [row | {"export": export, "file": file, "row": number} for number, row in enumerate(rows)]


def kept(rows: Export) -> pd.DataFrame:
    history = history_of([{"export": "e", "file": AUDIO, "row": 0, "ms_played": 1}, *rows]).iloc[1:]
    return history[repeated_history(history).isna()]


def said(plays: pd.DataFrame) -> list[list[str]]:
    """What the rows say, but not where they stand."""
    return sorted(plays.drop(columns=["export", "file", "row"]).astype("str").fillna("").to_numpy().tolist())


@settings(deadline=None, max_examples=8)
@given(exports=st.lists(rows_of_an_export, min_size=1, max_size=3), chance=st.randoms())
def test_what_stays_depends_on_no_order_split_or_fragment(exports: list[Export], chance: random.Random) -> None:
    """Shuffled rows, other files, a fragment, the whole again: the same plays, and no more than any export says."""
    whole, split = [], []
    for number, rows in enumerate(exports):
        whole += placed(rows, f"e{number}")
        shuffled, at = chance.sample(rows, len(rows)), chance.randint(0, len(rows))
        split += placed(shuffled[:at], f"e{number}", "endsong_1.json") + placed(shuffled[at:], f"e{number}")
    fragment = placed([row for row in exports[0] if chance.random() < 0.5], "a part")
    result = said(kept(whole))
    assert said(kept(split)) == result
    assert said(kept([*whole, *fragment])) == result
    assert said(kept([*split, *placed(exports[0], "again")])) == result

    def multiplicity(plays: pd.DataFrame) -> Counter[tuple[str, ...]]:
        return Counter(plays[["ts", "track_uri", "ms_played"]].astype("str").itertuples(index=False, name=None))

    of_each = [multiplicity(kept(placed(rows, "e"))) for rows in exports]
    assert multiplicity(kept(whole)) <= reduce(or_, of_each)
