"""Retention: how many of a month's discoveries are heard again k months later."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import (
    assert_rows,
    exports,
    listens_of,
    month_of,
    months_between,
    rows_of,
    today_of,
)
from spotifriend_dagster_tests.insights.test_artist_discovery import discoveries_of


@pytest.mark.parametrize("seed", [1, 2])
def test_retention_is_what_plain_python_counts(made_lake, seed):
    """Every k of every month of discovery whose month lies wholly in the past, those without a return included."""
    plays = made_history(seed)
    listens, today = listens_of(plays), today_of(plays)
    cohorts = defaultdict(list)
    for found in discoveries_of(plays):
        cohorts[found["listener"], month_of(found["discovered_on"])].append(found)
    expected = []
    for (listener, month), discovered in cohorts.items():
        for later in range(1, months_between(month, today[listener])):
            retained = {
                row["artist_name"]
                for row in listens[listener]
                if row["artist_novelty"] and months_between(month, row["local_date"]) == later
            } & {found["artist_name"] for found in discovered}
            expected.append(
                {
                    "listener": listener,
                    "discovered_month": month,
                    "months_later": later,
                    "discovered_artists": len(discovered),
                    "retained_artists": len(retained),
                    "retention": len(retained) / len(discovered),
                    "is_censored": any(found["is_censored"] for found in discovered),
                }
            )
    assert any(row["retained_artists"] for row in expected)
    assert_rows(made_lake(seed)("artist_retention"), expected, "listener", "discovered_month", "months_later")


def test_a_month_that_is_not_over_is_not_judged(lake):
    """Discovered in December: January is over, February, in which coverage ends, is not, nor December itself."""
    plays = plays_frame(
        play("anna", f"{day} 10:00", artist=artist)
        for artist, days in {
            "A": ["2023-12-30", "2023-12-31", "2024-01-31"],
            "B": ["2023-12-01", "2024-02-01"],
            "C": ["2024-01-05", "2024-02-01"],
        }.items()
        for day in days
    )
    result = lake(plays=plays, history_files=exports(anna=[("2023-12-01", "2024-02-29 23:59")]))("artist_retention")
    expected = {
        "discovered_month": datetime(2023, 12, 1),
        "months_later": 1,
        "discovered_artists": 2,
        "retained_artists": 1,
        "retention": 0.5,
    }
    assert_rows(result, [expected], "discovered_month", "months_later")


def test_the_discovery_is_no_return(lake):
    """An artist heard a hundred times in one month is retained in none."""
    plays = plays_frame(play("anna", f"2024-01-{day:02} 10:00", artist="A") for day in range(1, 32))
    result = lake(plays=plays, history_files=exports(anna=[("2024-01-01", "2024-04-01")]))("artist_retention")
    assert [(row["months_later"], row["retention"]) for row in rows_of(result)] == [(1, 0.0), (2, 0.0)]


def test_a_later_month_with_a_gap_is_a_minimum(lake):
    """What was heard in February is not all known, so that the retention after a month may be higher."""
    plays = plays_frame(play("anna", f"2024-01-{day:02} 10:00", artist="A") for day in (1, 2))
    files = exports(anna=[("2024-01-01", "2024-02-10"), ("2024-02-20", "2024-04-02")])
    rows = rows_of(lake(plays=plays, history_files=files)("artist_retention"))
    assert [(row["months_later"], row["is_minimum"]) for row in rows] == [(1, True), (2, False)]
