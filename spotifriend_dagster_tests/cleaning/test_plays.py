"""All sources of a listener as one history: complete, in order, and the same whatever way it came."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.plays import UnitedPlays, unite_plays
from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.tables.cleaned import (
    HISTORY_FILES,
    HISTORY_PLAYS,
    HISTORY_REJECTS,
    PLAY_HOURS,
    PLAYS,
    RECENT_PAGES,
    RECENT_PLAYS,
    RECENT_REJECTS,
    ROW_OUTCOMES,
)
from spotifriend_dagster.tables.frames import dtype, empty_frame
from spotifriend_dagster_tests.cleaning.received import (
    AUDIO,
    DAY,
    MUSIC,
    account,
    cleaned,
    days_of,
    export_of,
    extended,
    outcomes,
    poll_of,
    polled,
    polls_of,
    told_again,
    united,
)

NOON = pd.Timestamp("2024-03-01 12:00", tz="UTC")
TOMORROW = DAY + timedelta(days=1)


def test_a_listener_without_any_rows_has_typed_empty_tables() -> None:
    """A listener who has just signed in has tables of the right columns, not an error."""
    result = unite_plays(
        history=empty_frame(HISTORY_PLAYS),
        history_files=empty_frame(HISTORY_FILES),
        history_rejects=empty_frame(HISTORY_REJECTS),
        recent=empty_frame(RECENT_PLAYS),
        recent_pages=empty_frame(RECENT_PAGES),
        recent_rejects=empty_frame(RECENT_REJECTS),
        zones=ZoneHistory.always("Europe/London"),
        include_private=False,
    )
    assert (len(result.plays), len(result.play_hours), len(result.row_outcomes)) == (0, 0, 0)
    assert_is_typed(result)


def assert_is_typed(result: UnitedPlays) -> None:
    for frame, table in ((result.plays, PLAYS), (result.play_hours, PLAY_HOURS), (result.row_outcomes, ROW_OUTCOMES)):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            column.name: dtype(column) for column in table.columns
        }


def test_each_source_says_where_its_plays_come_from() -> None:
    """A play leads back to its row: the export and file, or the day of collection and the poll."""
    plays = united(
        export_of([extended(-5000)]),
        export_of([account(30, "b")], MUSIC, export="e2"),
        days={DAY: [poll_of([polled(5000, "c")], file="poll")]},
    ).plays
    assert plays[["source", "origin", "file", "row"]].to_numpy().tolist() == [
        ["extended", "e1", AUDIO, 0],
        ["account", "e2", MUSIC, 0],
        ["recent", "2024-03-01", "poll", 0],
    ]
    assert plays["closed_at"].tolist() == [NOON + pd.Timedelta(seconds=seconds) for seconds in (-5000, 1830, 5000)]
    assert plays["media"].tolist() == ["track"] * 3
    assert plays["is_private"].tolist() == [False] * 3
    assert plays["play_number"].tolist() == [1, 2, 3]


def test_what_polls_know_of_a_track_holds_for_its_plays_in_exports() -> None:
    """Only the Web API knows ISRC and duration; exports name tracks by the same URI. The latest poll is believed."""
    early, late = polled(9000, duration_ms=1), polled(9500, duration_ms=200_000, external_ids={"isrc": "X"})
    plays = united(export_of([extended(), extended(600, "b")]), days={DAY: [poll_of([late, early])]}).plays
    exports = plays[plays["source"] == "extended"].set_index("track_name")
    assert exports.loc["Song a", ["isrc", "duration_ms"]].tolist() == ["X", 200_000]
    assert exports.loc["Song b", ["isrc", "duration_ms"]].isna().all()


def test_the_length_of_a_polled_play_is_estimated() -> None:
    """A poll knows when a play ended, not how long it lasted: at most its duration, at most since the play before."""
    plays = united(days={DAY: [poll_of([polled(200, "b"), polled(80, "a")])]}).plays
    assert plays["ms_played"].tolist() == [180_000, 120_000]
    assert plays["ms_played_is_estimate"].all()
    assert plays["start_rule"].unique().tolist() == ["played_at_is_end"]


def test_plays_are_in_canonical_order() -> None:
    """By start, then end, then `ts`, then place: the number of a play is its rank in time, whatever its source."""
    start = int(NOON.timestamp())
    rows = [
        extended(900, "late"),
        extended(500, "b", ms_played=1000, offline_timestamp=start),
        extended(400, "c", ms_played=1000, offline_timestamp=start),
        extended(400, "d", ms_played=1000, offline_timestamp=start),
        extended(600, "a", ms_played=500, offline_timestamp=start),
    ]
    plays = united(export_of(rows), days={DAY: [poll_of([polled(800, "p")])]}).plays
    assert [name.removeprefix("Song ") for name in plays["track_name"]] == ["a", "c", "d", "b", "p", "late"]
    assert plays["play_number"].tolist() == [1, 2, 3, 4, 5, 6]


def test_account_rows_stand_in_their_own_order() -> None:
    """Their ends are cut to the minute: by computed starts, a long play would come before the short ones before it."""
    rows = [account(0, "a", 200_000), account(1, "b", 1000), account(1, "c", 250_000), account(1, "d", 0)]
    result = united(export_of(rows, MUSIC), export_of([extended(-300, "x"), extended(600, "y")], export="e2")).plays
    assert [name.removeprefix("Song ") for name in result["track_name"]] == ["x", "a", "b", "c", "d", "y"]


def test_a_play_keeps_its_name_when_history_is_completed() -> None:
    """A name is what other tables and people remember a play by: more history must not rename it."""
    rows = [extended(0), extended(0, reason_end="fwdbtn"), extended(400, "b"), extended(900, None)]
    known = united(export_of(rows), days={DAY: [poll_of([polled(5000, "p")])]}).plays
    completed = united(
        export_of([extended(-4000, "z"), *rows, extended(4700, "o")], export="e0"),
        export_of([account(15, "named")], MUSIC, export="e2"),
        days={DAY: [poll_of([polled(5000, "p"), polled(4950, "q")])]},
    ).plays
    assert known["play_id"].str.fullmatch("[0-9a-f]{16}").all()
    assert known["play_id"].is_unique
    assert set(known["play_id"]) < set(completed["play_id"])
    assert completed.loc[completed["track_name"] == "Song named", "play_id"].isin(known["play_id"]).all()


def test_names_of_plays_do_not_change_between_versions() -> None:
    """Names are stored: another way of hashing would give every play of every lake a new one."""
    plays = united(export_of([extended(0), extended(300, "b")])).plays
    assert plays["play_id"].tolist() == ["430361809aceebf1", "03b261c73fd75c34"]


def test_private_sessions_are_kept_but_not_counted() -> None:
    """A private play takes part in no session, no discovery and no flag of counting."""
    plays = united(export_of([extended(0, incognito_mode=True), extended(600)])).plays
    assert plays["is_counted"].tolist() == [False, True]
    assert plays["session_position"].fillna(0).tolist() == [0, 1]
    assert plays["artist_novelty"].isna().tolist()[0]


def test_outcomes_name_the_reasons() -> None:
    """The account of a file says what became of its rows in words, each with its count."""
    result = united(
        export_of([extended(), extended(), extended(600), "{"]),
        days={DAY: [poll_of([polled(1), None]), poll_of([polled(1)], pulled=60)], TOMORROW: [poll_of([polled(1)])]},
    )
    columns = ["source", "origin", "outcome", "reason", "rows"]
    assert sorted(result.row_outcomes[columns].to_numpy().tolist()) == [
        ["extended", "e1", "duplicate", "equal to another row of the export", 1],
        ["extended", "e1", "kept", "a play", 2],
        ["extended", "e1", "rejected", "not readable as JSON", 1],
        ["recent", "2024-03-01", "duplicate", "known from an earlier poll of the day", 1],
        ["recent", "2024-03-01", "rejected", "no play", 1],
        ["recent", "2024-03-01", "superseded", "the same play is in an export", 1],
        ["recent", "2024-03-02", "duplicate", "known from another day's polls", 1],
    ]


seconds = st.integers(0, 12).map(lambda number: number * 250)
tracks = st.sampled_from(["a", "ab", "b", None])
lengths = st.sampled_from([0, 20_000, 180_000])
extended_rows = st.builds(
    extended,
    seconds,
    tracks,
    lengths,
    reason_end=st.sampled_from(["trackdone", "fwdbtn", "logout", ""]),
    offline_timestamp=st.sampled_from([None, 0]) | seconds.map(lambda at: int(NOON.timestamp()) + at - 200),
    incognito_mode=st.sampled_from([False, False, True]),
)
account_rows = st.builds(account, st.integers(0, 50), st.sampled_from(["a", "ab", "b"]), lengths)
items = st.builds(polled, st.integers(0, 3000), st.sampled_from(["a", "ab", "b", "p"]))
bad = st.sampled_from(["{", {}, None])
sources = st.fixed_dictionaries(
    {
        "extended": st.lists(extended_rows | bad, max_size=10),
        "account": st.lists(account_rows | bad, max_size=6),
        "polls": polls_of(items | bad),
    }
)


def history_of_all(received: dict[str, Any]) -> UnitedPlays:
    return united(
        export_of(received["extended"]),
        export_of(received["account"], MUSIC, export="e2"),
        days=days_of(received["polls"]),
    )


OF_PLACE = ["play_number", "origin", "file", "row"]
OF_NEIGHBOURS = ["is_early_exit", "artist_novelty", "recording_novelty", "is_repeat", "session_position"]


def figures(result: UnitedPlays) -> tuple[Any, ...]:
    """What the history says, without where rows stood. Of plays of one instant, which is first is a matter of place:
    so what depends on neighbours is compared in sum."""
    plays = result.plays
    said = plays.drop(columns=[*OF_PLACE, *OF_NEIGHBOURS, "play_id"]).astype("str").fillna("")
    novelty = plays.groupby(["artist_name", "artist_novelty"]).size().to_dict()
    kept = {source: rows for (source, outcome), rows in outcomes(result).items() if outcome == "kept"}
    return sorted(said.to_numpy().tolist()), sorted(plays["play_id"]), novelty, plays["is_repeat"].sum(), kept


@settings(deadline=None, max_examples=6)
@given(received=sources)
def test_rows_always_add_up(received: dict[str, Any]) -> None:
    """Of every file and every page: rows in = kept + duplicate + superseded + rejected; and kept rows are plays."""
    result = history_of_all(received)
    assert_is_typed(result)
    history = cleaned(export_of(received["extended"]), export_of(received["account"], MUSIC, export="e2"))
    rows_in = {(row.source, row.export, row.file): row.rows for row in history.files.itertuples()}
    pages = iter(received["polls"])
    for day, polls in days_of(received["polls"]).items():
        rows_in |= {("recent", day.isoformat(), poll["file"].iloc[0]): len(next(pages)) for poll in polls}
    rows_out = result.row_outcomes.groupby(["source", "origin", "file"])["rows"].sum().to_dict()
    assert rows_out == {file: rows for file, rows in rows_in.items() if rows}
    kept = result.row_outcomes[result.row_outcomes["outcome"] == "kept"]
    kept_by_file = kept.groupby(["source", "origin", "file"])["rows"].sum().to_dict()
    assert kept_by_file == result.plays.groupby(["source", "origin", "file"]).size().to_dict()
    assert not result.row_outcomes.duplicated(["source", "origin", "file", "outcome", "reason"]).any()
    assert result.plays["play_id"].is_unique
    assert result.plays["play_number"].tolist() == list(range(1, len(result.plays) + 1))
    assert result.play_hours["ms_played"].sum() == result.plays["ms_played"].sum()


@settings(deadline=None, max_examples=6)
@given(received=sources, chance=st.randoms())
def test_the_way_rows_come_changes_nothing(received: dict[str, Any], chance: random.Random) -> None:
    """Shuffled rows, files split otherwise, an export again, a fragment of one; pages told again, other days."""
    whole = history_of_all(received)
    rows = chance.sample(received["extended"], len(received["extended"]))
    at = chance.randint(0, len(rows))
    other = united(
        export_of(rows[:at], "endsong_7.json"),
        export_of(rows[at:], "endsong_3.json"),
        export_of(received["extended"], export="e0"),
        export_of([row for row in rows if chance.random() < 0.5], export="e9"),
        export_of(chance.sample(received["account"], len(received["account"])), MUSIC, export="e2"),
        export_of(received["account"][1:], MUSIC, export="e3"),
        days=days_of(told_again(received["polls"], chance), chance.randint(1, 4)),
    )
    assert figures(other) == figures(whole)
