"""Discovery of artists and what becomes of it: censoring, conversion, and the rate by month."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import known_history_start, play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import (
    assert_rows,
    exports,
    listens_of,
    month_of,
    now_of,
    rows_of,
    share,
)

DAY = timedelta(days=1)


def discoveries_of(plays):
    """The expected rows of artist_discovery, in loops."""
    expected = []
    everything, now_by_listener = rows_of(plays), now_of(plays)
    for listener, listens in listens_of(plays).items():
        known_from = known_history_start(row for row in everything if row["listener"] == listener)
        now = now_by_listener[listener]
        heard = defaultdict(list)
        for row in listens:
            if row["artist_name"] and row["started_at"] >= known_from:
                heard[row["artist_name"]].append(row)
        for artist, rows in heard.items():
            first = rows[0]
            soon = [row for row in rows if row["started_at"] - first["started_at"] <= 30 * DAY]
            dates = {row["local_date"] for row in soon}
            is_censored = first["started_at"] - known_from < 90 * DAY
            is_recent = now - first["started_at"] < 30 * DAY
            expected.append(
                {
                    "listener": listener,
                    "artist_name": artist,
                    "discovered_at": first["started_at"],
                    "discovered_on": first["local_date"],
                    "first_recording_id": first["recording_id"],
                    "first_track_name": first["track_name"],
                    "listens": len(rows),
                    "last_listen_at": rows[-1]["started_at"],
                    "listens_in_30_days": len(soon),
                    "dates_in_30_days": len(dates),
                    "is_censored": is_censored,
                    "is_recent": is_recent,
                    "is_converted": None if is_censored or is_recent else len(soon) >= 3 and len(dates) >= 2,
                }
            )
    return expected


@pytest.mark.parametrize("seed", [1, 2])
def test_discovery_and_conversion_are_what_plain_python_finds(made_lake, seed):
    """Each artist's discovery, and by month the counts that add up to all of them."""
    plays = made_history(seed)
    run = made_lake(seed)
    discoveries = discoveries_of(plays)
    assert {row["is_converted"] for row in discoveries} >= {None}
    assert_rows(run("artist_discovery"), discoveries, "listener", "artist_name")

    months = defaultdict(list)
    for row in discoveries:
        months[row["listener"], month_of(row["discovered_on"])].append(row)
    expected = []
    for (listener, month), rows in months.items():
        judged = [row for row in rows if row["is_converted"] is not None]
        converted = [row for row in judged if row["is_converted"]]
        censored = [row for row in rows if row["is_censored"]]
        expected.append(
            {
                "listener": listener,
                "discovered_month": month,
                "discoveries": len(rows),
                "censored_discoveries": len(censored),
                "recent_discoveries": len(rows) - len(judged) - len(censored),
                "judged_discoveries": len(judged),
                "converted_discoveries": len(converted),
                "conversion_share": share(len(converted), len(judged)),
            }
        )
    assert_rows(run("artist_conversion"), expected, "listener", "discovered_month")


@pytest.fixture
def judged(lake):
    """`judged(X=[…])`: artist_discovery by artist, in a known history of 2024 in which X was heard at these times."""

    def discover(**heard):
        plays = plays_frame(
            [
                *(play("anna", f"2024-{month:02}-01 10:00", artist="Old") for month in range(1, 13)),
                play("anna", "2024-01-02 10:00", artist="Old"),
                *(play("anna", at, artist=artist) for artist, times in heard.items() for at in times),
            ]
        )
        files = exports(anna=[("2024-01-01", "2024-12-31 10:00")])
        return {row["artist_name"]: row for row in rows_of(lake(plays=plays, history_files=files)("artist_discovery"))}

    return discover


def test_three_listens_on_two_dates_within_thirty_days_convert(judged):
    """Each condition fails by the least that it can: a listen, a date, a second."""
    found = judged(
        Exactly=["2024-06-01 12:00", "2024-06-01 13:00", "2024-07-01 12:00"],
        LateByASecond=["2024-06-01 14:00", "2024-06-01 15:00", "2024-07-01 14:00:01"],
        OneDate=["2024-06-02 12:00", "2024-06-02 13:00", "2024-06-02 14:00", "2024-08-02 14:00"],
        TwoListens=["2024-06-03 12:00", "2024-06-04 13:00"],
    )
    converted = {artist: row["is_converted"] for artist, row in found.items() if artist != "Old"}
    assert converted == {"Exactly": True, "LateByASecond": False, "OneDate": False, "TwoListens": False}
    assert found["LateByASecond"]["listens_in_30_days"] == 2


def test_the_first_ninety_and_the_last_thirty_days_are_not_judged(judged):
    """The history is known from 1 January 10:00 on, and ends on 31 December 10:00: the edges belong to the middle."""
    found = judged(
        Censored=["2024-03-31 09:59:59"],
        AfterNinetyDays=["2024-03-31 10:00:00"],
        BeforeThirtyDays=["2024-12-01 10:00:00"],
        Recent=["2024-12-01 10:00:01"],
    )
    assert {artist: (row["is_censored"], row["is_recent"], row["is_converted"]) for artist, row in found.items()} == {
        "Old": (True, False, None),
        "Censored": (True, False, None),
        "AfterNinetyDays": (False, False, False),
        "BeforeThirtyDays": (False, False, False),
        "Recent": (False, True, None),
    }


def test_strays_before_the_known_history_discover_nothing(lake):
    """A first row from years before is no discovery; the artist is discovered when the history is known."""
    plays = plays_frame(
        play("anna", at, artist="A") for at in ("2015-05-05 10:00", "2024-01-01 10:00", "2024-01-02 10:00")
    )
    (found,) = rows_of(lake(plays=plays)("artist_discovery"))
    assert (found["discovered_at"], found["listens"]) == (datetime(2024, 1, 1, 10), 2)


def test_a_month_beside_a_gap_is_a_minimum(lake):
    """Conversion looks 30 days ahead: a gap in the month after may hide what would have converted."""
    plays = plays_frame(
        play("anna", f"2024-{month:02}-{day:02} 10:00", artist=f"{month}") for month in (1, 3, 4) for day in (1, 20)
    )
    whole = exports(anna=[("2024-01-01", "2024-05-30")])
    assert not lake(plays=plays, history_files=whole)("artist_conversion")["is_minimum"].any()
    in_two = exports(anna=[("2024-01-01", "2024-01-21"), ("2024-02-28", "2024-05-30")])
    flags = rows_of(lake(plays=plays, history_files=in_two)("artist_conversion"))
    assert [(row["discovered_month"].month, row["is_minimum"]) for row in flags] == [(1, True), (3, False), (4, False)]
