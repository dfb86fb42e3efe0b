"""Loyalty of an artist: months with a listen out of the calendar months since the discovery."""

from __future__ import annotations

from collections import Counter

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import (
    assert_rows,
    exports,
    month_of,
    months_between,
    music_of,
    now_of,
    rows_of,
    today_of,
)
from spotifriend_dagster_tests.insights.test_artist_discovery import discoveries_of


@pytest.mark.parametrize("seed", [1, 2])
def test_loyalty_is_what_plain_python_computes(made_lake, seed):
    """Months, share, recency and rank; the history ends in another month than it begins in, over two new years."""
    plays = made_history(seed)
    music, now, today = music_of(plays), now_of(plays), today_of(plays)
    expected = []
    for found in discoveries_of(plays):
        listener, artist = found["listener"], found["artist_name"]
        own = [row for row in music[listener] if row["artist_name"] == artist]
        active = {month_of(row["local_date"]) for row in own if row["artist_novelty"]}
        months = months_between(found["discovered_on"], today[listener]) + 1
        ms_played = sum(row["ms_played"] for row in own)
        expected.append(
            {
                "listener": listener,
                "artist_name": artist,
                "discovered_month": month_of(found["discovered_on"]),
                "months": months,
                "active_months": len(active),
                "loyalty": len(active) / months if months >= 3 and found["listens"] >= 3 else None,
                "listens": found["listens"],
                "ms_played": ms_played,
                "ms_played_share": ms_played / sum(row["ms_played"] for row in music[listener]),
                "last_listen_at": found["last_listen_at"],
                "idle_days": (now[listener] - found["last_listen_at"]).days,
                "is_censored": found["is_censored"],
            }
        )
    places = Counter()
    for row in sorted(expected, key=lambda row: (-(row["loyalty"] or 0), -row["listens"], row["artist_name"])):
        row["loyalty_rank"] = None
        if row["loyalty"] is not None:
            places[row["listener"]] += 1
            row["loyalty_rank"] = places[row["listener"]]
    assert places["anna"] > 5
    assert_rows(made_lake(seed)("artist_loyalty"), expected, "listener", "artist_name")


def test_loyalty_needs_three_months_and_three_listens(lake):
    """An artist of two months, and one heard twice, are not called loyal; ties go by listens, then by name."""
    heard = {
        "C": ["2023-11-30", "2023-12-31", "2024-01-01", "2024-02-01"],
        "A": ["2023-12-01", "2024-01-01", "2024-02-02"],
        "B": ["2023-12-01", "2024-01-01", "2024-02-02"],
        "Faded": ["2023-12-01", "2023-12-02", "2023-12-03"],
        "Two months": ["2024-01-01", "2024-01-02", "2024-02-01"],
        "Two listens": ["2023-11-01", "2024-02-01"],
    }
    plays = plays_frame(play("anna", f"{day} 10:00", artist=artist) for artist, days in heard.items() for day in days)
    result = lake(plays=plays, history_files=exports(anna=[("2023-11-01", "2024-02-29 23:59")]))("artist_loyalty")
    assert {row["artist_name"]: (row["loyalty"], row["loyalty_rank"]) for row in rows_of(result)} == {
        "C": (1.0, 1),
        "A": (1.0, 2),
        "B": (1.0, 3),
        "Faded": (pytest.approx(1 / 3), 4),
        "Two months": (None, None),
        "Two listens": (None, None),
    }


def test_now_is_the_end_of_coverage_on_the_listeners_clock(lake):
    """At 20:00 on 31 January in New York it is February in UTC, but not for the listener."""
    plays = plays_frame(
        play("anna", f"{day} 10:00", artist="A", zone="America/New_York")
        for day in ("2023-11-10", "2023-12-01", "2024-01-01")
    )
    (row,) = rows_of(
        lake(plays=plays, history_files=exports(anna=[("2023-11-01", "2024-02-01 01:00")]))("artist_loyalty")
    )
    assert (row["months"], row["loyalty"], row["idle_days"]) == (3, 1.0, 30)
