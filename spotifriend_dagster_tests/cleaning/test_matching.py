"""Which plays of two sources are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.matching import (
    IN_EXPORT,
    IN_EXTENDED,
    MONTH_IN_EXTENDED,
    match_account,
    match_recent,
)
from spotifriend_dagster.cleaning.starts import recent_start_times, start_times
from spotifriend_dagster_tests.cleaning.received import (
    DAY,
    MUSIC,
    account,
    export_of,
    extended,
    outcomes,
    poll_of,
    polled,
    united,
)
from spotifriend_dagster_tests.cleaning.typed_rows import history_of, recent_of

NOON = pd.Timestamp("2024-03-01 12:00", tz="UTC")
HOUR = 3600


def reasons(extended_rows: list[Any], account_rows: list[Any]) -> dict[str, int]:
    """What became of the account rows."""
    result = united(export_of(extended_rows), export_of(account_rows, MUSIC, export="e2")).row_outcomes
    of_account = result[result["source"] == "account"]
    return of_account.groupby("reason")["rows"].sum().to_dict()


def polls_kept(export: pd.DataFrame, *items: Any) -> int:
    """How many of the polled plays no row of the export supersedes."""
    return outcomes(united(export, days={DAY: [poll_of(list(items))]})).get(("recent", "kept"), 0)


def test_an_account_row_is_superseded_by_its_extended_row() -> None:
    """One person's two exports date 1 of 7 plays differently; title, artist and length are what they share."""
    assert reasons([extended(30)], [account()]) == {IN_EXTENDED: 1}
    for other in (account(track="b"), account(ms_played=179_999), account(artistName="B")):
        assert reasons([extended(30)], [other]) == {"a play": 1}


def test_an_account_row_pairs_within_a_day_of_the_end_or_the_report() -> None:
    """A play reported late has the late time in one export only; a day apart, it is another play of the song."""
    day = 24 * HOUR + 30
    assert reasons([extended(day)], [account()]) == {IN_EXTENDED: 1}
    assert reasons([extended(day + 1)], [account()]) == {"a play": 1}
    late = extended(60 * HOUR, offline_timestamp=int(NOON.timestamp()))
    assert reasons([late], [account(3)]) == {IN_EXTENDED: 1}


def test_a_song_on_repeat_pairs_one_to_one() -> None:
    """Ten plays of a song have equal names and lengths: two of them must not stand for all ten."""
    loop = [account(3 * number) for number in range(10)]
    assert reasons([extended(30), extended(390)], loop) == {IN_EXTENDED: 2, "a play": 8}
    result = united(export_of([extended(30), extended(390)]), export_of(loop, MUSIC, export="e2")).plays
    kept_minutes = (result.loc[result["source"] == "account", "closed_at"] - NOON) // pd.Timedelta(minutes=1)
    assert kept_minutes.tolist() == [3, *range(9, 30, 3)]


def test_a_month_that_is_nearly_all_paired_is_known() -> None:
    """The last tenth of a month is in the extended history under other names or lengths; not so in another month."""
    pairs = [extended(60 * 3 * number + 30, f"a{number}") for number in range(9)]
    rows = [account(3 * number, f"a{number}") for number in range(9)]
    stray, april = account(60, "b"), account(60 * 24 * 40, "b")
    assert reasons(pairs, [*rows, stray, april]) == {IN_EXTENDED: 9, MONTH_IN_EXTENDED: 1, "a play": 1}
    assert reasons(pairs[1:], [*rows[1:], stray]) == {IN_EXTENDED: 8, "a play": 1}


def test_a_fragment_of_the_extended_history_supersedes_only_its_own() -> None:
    """An export that covers a month by its dates may hold a part of its plays: coverage proves nothing."""
    fragment = [extended(30, "a"), extended(20 * 24 * HOUR, "z")]
    assert reasons(fragment, [account(), *(account(60 * hour, "b") for hour in range(1, 9))]) == {
        IN_EXTENDED: 1,
        "a play": 8,
    }


def test_an_unknown_row_takes_the_names_of_its_minute() -> None:
    """Content that Spotify removed has neither URI nor names in the extended history, but has names in account data."""
    result = united(export_of([extended(45, None)]), export_of([account(track="x")], MUSIC, export="e2"))
    play = result.plays.iloc[0]
    assert len(result.plays) == 1
    assert (play["source"], play["media"], play["track_name"], play["artist_name"]) == (
        "extended",
        "track",
        "Song x",
        "Artist x",
    )
    assert outcomes(result) == {("account", "superseded"): 1, ("extended", "kept"): 1}


@pytest.mark.parametrize(
    ("extended_rows", "account_rows"),
    [
        ([extended(45, None)], [account(1, "x")]),
        ([extended(45, None)], [account(track="x", ms_played=1)]),
        ([extended(45, None)], [account(track="x"), account(track="y")]),
        ([extended(45, None), extended(46, None)], [account(track="x")]),
    ],
)
def test_an_unknown_row_takes_no_doubtful_name(extended_rows: list[Any], account_rows: list[Any]) -> None:
    """Another minute, another length, or a choice between two: the play stays without a name."""
    result = united(export_of(extended_rows), export_of(account_rows, MUSIC, export="e2")).plays
    assert set(result.loc[result["source"] == "extended", "media"]) == {"unknown"}


def test_nameless_rows_pair_with_nameless_rows() -> None:
    """What account data calls Unknown Track is the row without names; kept beside it, its time would count twice."""
    unknown = account(trackName="Unknown Track", artistName="Unknown Artist")
    assert reasons([extended(45, None)], [unknown]) == {IN_EXTENDED: 1}


def test_a_polled_play_is_superseded_and_leaves_its_context() -> None:
    """Only polls know the playlist, only exports know the rest."""
    result = united(export_of([extended(0)]), days={DAY: [poll_of([polled(0.7)])]})
    play = result.plays.iloc[0]
    assert len(result.plays) == 1
    assert (play["source"], play["context_uri"], play["ms_played_is_estimate"]) == (
        "extended",
        "spotify:playlist:p",
        False,
    )
    assert (play["isrc"], play["duration_ms"]) == ("ISRCa", 180_000)
    assert result.row_outcomes.loc[result.row_outcomes["source"] == "recent", "reason"].tolist() == [IN_EXPORT]


BRIEF = extended(0, ms_played=1)
REPORTED_LATE = extended(1000, ms_played=1, offline_timestamp=int(NOON.timestamp()))


@pytest.mark.parametrize(
    ("export", "seconds", "is_same"),
    [
        (export_of([BRIEF]), -11, True),
        (export_of([BRIEF]), -11.001, False),
        (export_of([REPORTED_LATE]), 989, True),
        (export_of([REPORTED_LATE]), 988.999, False),
        (export_of([account(0, ms_played=1)], MUSIC), 30 - 70, True),
        (export_of([account(0, ms_played=1)], MUSIC), 30 - 70.001, False),
        (export_of([extended(0)]), 179.999, True),
        (export_of([extended(0)]), 180, False),
        (export_of([extended(0)]), -179.999, True),
        (export_of([extended(0)]), -180, False),
    ],
)
def test_polled_plays_match_near_ends_or_overlaps(export: pd.DataFrame, seconds: float, is_same: bool) -> None:
    """10 s and the coarser precision (1 s extended, 60 s account) between the ends; or any overlap of the plays."""
    assert polls_kept(export, polled(seconds, duration_ms=180_000)) == (0 if is_same else 1)


def test_a_polled_song_on_repeat_swallows_no_neighbour() -> None:
    """The export ends in the middle of a loop: the polled plays after its end are plays of their own."""
    export = export_of([extended(180), extended(360)])
    loop = [polled(180.4), polled(361), polled(540.2), polled(720.3)]
    assert polls_kept(export, *loop) == 2
    assert polls_kept(export, *loop[2:]) == 2


def test_of_equal_distances_the_earlier_play_is_paired() -> None:
    """The rule is total, so that the same history always gives the same plays."""
    plays = united(export_of([extended(0)]), days={DAY: [poll_of([polled(-40), polled(40)])]}).plays
    assert plays.loc[plays["source"] == "recent", "closed_at"].tolist() == [NOON + pd.Timedelta(seconds=40)]
    plays = united(export_of([extended(-5), extended(5)]), days={DAY: [poll_of([polled(0)])]}).plays
    assert plays["context_uri"].notna().tolist() == [True, False]


def test_a_relinked_track_is_found_by_isrc_or_names() -> None:
    """Spotify plays a replacement of the same recording in another market: its URI differs, its ISRC does not."""
    other_day = polled(-9000, "a", external_ids={"isrc": "X"})
    relinked = polled(0, "b", external_ids={"isrc": "X"})
    assert polls_kept(export_of([extended(0)]), other_day, relinked) == 1
    renamed = polled(0, "b", external_ids={}, name="SONG  A", artists=[{"name": "artist a"}])
    assert polls_kept(export_of([extended(0)]), renamed) == 0
    by_another = polled(0, "b", external_ids={}, name="Song a", artists=[{"name": "Artist b"}])
    assert polls_kept(export_of([extended(0)]), by_another) == 1


def test_the_same_uri_goes_before_the_same_name() -> None:
    """Two releases of a song, one after the other: each polled play pairs with the row of its own release."""
    export = export_of([extended(0, "a"), extended(4, "b", master_metadata_track_name="Song a")])
    first = polled(2, "a", external_ids={})
    second = polled(1, "b", external_ids={}, name="Song a")
    assert polls_kept(export, first, second) == 0


def test_extended_beats_account_beats_recent() -> None:
    """A play that all three sources know is one row, the extended one."""
    result = united(
        export_of([extended(30)]), export_of([account()], MUSIC, export="e2"), days={DAY: [poll_of([polled(31)])]}
    )
    assert outcomes(result) == {("extended", "kept"): 1, ("account", "superseded"): 1, ("recent", "superseded"): 1}


SURE = [(extended(1000 * number, f"s{number}"), polled(1000 * number, f"s{number}")) for number in range(1, 10)]
"""Nine plays that both sources know: the export holds their month, so that it must hold a tenth polled play too."""


def left_of(rows: list[Any], items: list[Any], kind: Callable[..., Any] = extended) -> pd.DataFrame:
    """The plays of an export's rows and of polls beside the sure ones."""
    if kind is account:
        export = export_of([*rows, *(account(1000 * number // 60, f"s{number}") for number in range(1, 10))], MUSIC)
    else:
        export = export_of([*rows, *(row for row, _ in SURE)])
    polls = [poll_of([*items, *(item for _, item in SURE)])]
    plays = united(export, days={DAY: polls}).plays
    return plays[~plays["track_name"].fillna("").str.startswith("Song s")]


def test_a_row_that_names_nothing_is_the_play_that_was_polled_then() -> None:
    """1 row in 350 names nothing: beside its polled play, it would count twice. It takes the name, and is a track."""
    plays = left_of([extended(4500, None)], [polled(4500.4)])
    assert plays[["source", "media", "track_uri", "artist_name", "duration_ms"]].to_numpy().tolist() == [
        ["extended", "track", "spotify:track:a", "Artist a", 180_000]
    ]
    assert plays["context_uri"].tolist() == ["spotify:playlist:p"]


@pytest.mark.parametrize(
    "row",
    [
        extended(4520, None),
        extended(4500, None, ms_played=29_999),
        extended(4500, None, ms_played=183_000),
        extended(4500, None, incognito_mode=True),
        extended(4500, None, episode_name="Episode"),
    ],
    ids=["another time", "too short to be listed", "longer than the track", "private", "an episode"],
)
def test_a_row_that_cannot_be_the_polled_play_takes_no_name(row: dict[str, Any]) -> None:
    """Polls tell no private plays, none under 30 s and no episodes."""
    assert sorted(left_of([row], [polled(4500.4)])["source"]) == ["extended", "recent"]


def test_a_late_report_is_found_without_a_stamp() -> None:
    """A speaker reports no start: `ts` may be hours late, and nothing but the missing play tells when it was."""
    late = extended(7800, "a", reason_end="remote", offline_timestamp=0)
    assert left_of([late], [polled(4500)])["source"].tolist() == ["extended"]
    early = extended(1500, "a")
    assert sorted(left_of([early], [polled(4500)])["source"]) == ["extended", "recent"]


def test_a_pause_before_a_late_report_is_no_second_play() -> None:
    """The polled end comes after the pause, the row's sound ended before it, and its `ts` came later still."""
    paused = extended(8500, "a", offline_timestamp=int(NOON.timestamp()) + 4000)
    assert left_of([paused], [polled(6500)])["source"].tolist() == ["extended"]
    assert len(left_of([paused], [polled(3900)])) == 2
    nameless = extended(8500, None, offline_timestamp=int(NOON.timestamp()) + 4000)
    assert left_of([nameless], [polled(6500)])["source"].tolist() == ["extended"]


def test_account_data_leaves_out_the_last_pause() -> None:
    """Its end is that of the sound, hours before the end that polls tell; never the other way round."""
    assert left_of([account(75)], [polled(8500)], kind=account)["source"].tolist() == ["account"]
    assert sorted(left_of([account(140)], [polled(4500)], kind=account)["source"]) == ["account", "recent"]


def test_an_export_that_does_not_hold_the_month_swallows_nothing() -> None:
    """A fragment proves nothing of what it lacks: a play of the song hours later is another play."""
    late = extended(7800, "a", reason_end="remote", offline_timestamp=0)
    unknown = [polled(1100 * number, f"x{number}") for number in range(1, 4)]
    assert (left_of([late], [polled(4500), *unknown])["source"] == "recent").sum() == 4


def test_a_polled_play_after_the_export_is_a_play_of_its_own() -> None:
    """What was played after the export was made cannot be in it, though the song was once reported late."""
    late = extended(8990, "a", reason_end="remote", offline_timestamp=0)
    assert sorted(left_of([late], [polled(9300)])["source"]) == ["extended", "recent"]


Pairs = dict[int, int]


def greedily(left: pd.DataFrame, right: pd.DataFrame, distance: Callable[[Any, Any], pd.Timedelta | None]) -> Pairs:
    """The rule as it is written: of all pairs, again and again the nearest of which both are free."""
    candidates = sorted(
        (gap, place, other_place, one.Index, other.Index)
        for place, one in enumerate(left.itertuples())
        for other_place, other in enumerate(right.itertuples())
        if (gap := distance(one, other)) is not None
    )
    pairs: Pairs = {}
    for _, _, _, one, other in candidates:
        if one not in pairs and other not in pairs.values():
            pairs[one] = other
    return pairs


def end_gap(one: Any, other: Any) -> pd.Timedelta:
    return min(abs(one.closed_at - other.ended_at), abs(one.closed_at - other.closed_at))


def exports_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    history = history_of([{"artist_name": "A", "track_name": "T", "row": 0} | row for row in rows])
    exports = pd.concat([history, start_times(history)], axis="columns").assign(isrc=None).astype({"isrc": "str"})
    return exports.sort_values(["started_at", "ended_at", "closed_at"], kind="stable")


minutes = st.integers(0, 3000).map(lambda number: NOON + pd.Timedelta(minutes=number))
export_rows = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["extended", "account"]),
        "ts": st.one_of(minutes, st.sampled_from([NOON, NOON + pd.Timedelta(minutes=7)])),
        "ms_played": st.sampled_from([60_000, 240_000]),
        "offline_at": st.none() | minutes,
    }
)


@settings(deadline=None, max_examples=15)
@given(rows=st.lists(export_rows, min_size=1, max_size=25))
def test_account_rows_pair_as_a_plain_reading_of_the_rule_does(rows: list[dict[str, Any]]) -> None:
    """Pairing in steps of distance and in rounds gives what sorting all pairs gives."""
    exports = exports_of(rows)
    account_rows, extended_rows = (exports[exports["source"] == source] for source in ("account", "extended"))

    def distance(one: Any, other: Any) -> pd.Timedelta | None:
        gap = end_gap(one, other)
        return gap if one.ms_played == other.ms_played and gap <= pd.Timedelta(hours=24) else None

    superseded = match_account(exports).superseded
    assert set(superseded.index[superseded == IN_EXTENDED]) == set(greedily(account_rows, extended_rows, distance))


tracks = st.sampled_from([("a", "T"), ("b", "T"), ("c", "U"), ("d", None)])


@settings(deadline=None, max_examples=15)
@given(
    rows=st.lists(st.tuples(export_rows, tracks), max_size=12),
    items=st.lists(st.tuples(st.integers(0, 900), tracks, st.sampled_from([60_000, 200_000, None])), max_size=12),
)
def test_polled_plays_pair_as_a_plain_reading_of_the_rule_does(rows: list[Any], items: list[Any]) -> None:
    """Looking only at what is near in time gives what looking at all pairs gives: by URI first, then by names."""
    near = [
        (row | {"ts": NOON + (row["ts"] - NOON) / 200, "offline_at": None, "track_uri": uri, "track_name": title})
        for row, (uri, title) in rows
    ]
    exports = exports_of(near)
    recent = recent_of(
        {
            "played_at": NOON + pd.Timedelta(seconds=second),
            "track_uri": uri,
            "track_name": title,
            "artist_name": "A",
            "duration_ms": duration_ms,
        }
        for second, (uri, title), duration_ms in items
    ).drop_duplicates(["played_at", "track_uri"])
    recent = pd.concat([recent, recent_start_times(recent)], axis="columns").sort_values(["played_at", "track_uri"])

    def distance(one: Any, other: Any) -> pd.Timedelta | None:
        gap = end_gap(one, other)
        precision = {"extended": 1, "account": 60}[other.source]
        overlaps = one.started_at < other.ended_at and other.started_at < one.ended_at
        return gap if overlaps or gap <= pd.Timedelta(seconds=10 + precision) else None

    def by_uri(one: Any, other: Any) -> pd.Timedelta | None:
        return distance(one, other) if one.track_uri == other.track_uri else None

    def by_name(one: Any, other: Any) -> pd.Timedelta | None:
        return distance(one, other) if one.track_name == other.track_name else None

    expected = greedily(recent, exports, by_uri)
    left, right = recent.drop(index=expected.keys()), exports.drop(index=expected.values())
    expected |= greedily(left, right, by_name)
    assert match_recent(recent, exports).dropna().to_dict() == expected
