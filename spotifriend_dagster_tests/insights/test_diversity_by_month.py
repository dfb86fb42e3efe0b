"""Diversity of listening time over artists, by month and over all time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import datetime

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, play_hours_frame, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, month_of, months_between, rows_of, share

FIGURES = ("entropy_bits", "effective_artists", "herfindahl_index", "gini_simpson", "top_1_share")


def diversity_of(times):
    """The figures of one period, from milliseconds by artist."""
    total = sum(times.values())
    shares = sorted((ms / total for ms in times.values()), reverse=True)
    entropy = -sum(part * math.log2(part) for part in shares)
    concentration = sum(part**2 for part in shares)
    return {
        "artists": len(shares),
        "ms_played": total,
        "entropy_bits": entropy,
        "effective_artists": 2**entropy,
        "herfindahl_index": concentration,
        "gini_simpson": 1 - concentration,
        "top_1_share": sum(shares[:1]),
        "top_5_share": sum(shares[:5]),
        "top_10_share": sum(shares[:10]),
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_periods_are_what_plain_python_computes(made_lake, seed):
    """Every month from the first to the last, those without music null, and all time."""
    times, totals, estimated = defaultdict(Counter), Counter(), Counter()
    for row in rows_of(play_hours_frame(made_history(seed))):
        if not row["is_counted"] or row["media"] != "track" or not row["ms_played"]:
            continue
        for period in (month_of(row["local_date"]), None):
            totals[row["listener"], period] += row["ms_played"]
            estimated[row["listener"], period] += row["ms_played"] * row["ms_played_is_estimate"]
            if row["artist_name"]:
                times[row["listener"], period][row["artist_name"]] += row["ms_played"]
    expected = []
    for listener in ("anna", "ben"):
        months = [month for of, month in totals if of == listener and month]
        first = min(months)
        every_month = [
            datetime(first.year + (first.month - 1 + later) // 12, (first.month - 1 + later) % 12 + 1, 1)
            for later in range(months_between(first, max(months)) + 1)
        ]
        assert len(every_month) > len(set(months))
        for period in [*every_month, None]:
            heard, total = times[listener, period], totals[listener, period]
            figures = diversity_of(heard) if heard else {"artists": 0, "ms_played": 0, **dict.fromkeys(FIGURES)}
            expected.append(
                {
                    "listener": listener,
                    "period_kind": "month" if period else "all",
                    "period": f"{period:%Y-%m}" if period else "all",
                    "period_start": period,
                    "unknown_artist_share": share(total - sum(heard.values()), total),
                    "estimated_share": share(estimated[listener, period], total),
                    **figures,
                }
            )
    assert_rows(made_lake(seed)("diversity_by_month"), expected, "listener", "period_kind", "period")


def test_equal_artists_are_as_diverse_as_they_are_many(lake):
    """Eight artists of equal time have 3 bits and count as eight; one alone has 0 bits, exactly."""
    plays = plays_frame(
        [play("anna", f"2024-01-{day:02} 10:00", artist=f"Artist {day}") for day in range(1, 9)]
        + [play("anna", "2024-02-01 10:00", artist="Artist 1"), play("anna", "2024-02-02 10:00", artist=None)]
    )
    rows = {row["period"]: row for row in rows_of(lake(plays=plays)("diversity_by_month"))}
    equal = {"entropy_bits": 3.0, "effective_artists": 8.0, "herfindahl_index": 1 / 8, "top_5_share": 5 / 8}
    assert {name: rows["2024-01"][name] for name in equal} == pytest.approx(equal)
    alone = rows["2024-02"]
    assert tuple(alone[name] for name in FIGURES) == (0.0, 1.0, 1.0, 0.0, 1.0)
    assert str(alone["entropy_bits"]) == "0.0"
    assert alone["unknown_artist_share"] == 0.5


def test_time_belongs_to_the_month_in_which_it_is_heard(lake):
    """Six minutes from 23:58 on New Year's Eve: two of December, four of January, though no listen starts there."""
    plays = plays_frame([play("anna", "2023-12-31 23:58", ms_played=360_000)])
    times = {row["period"]: row["ms_played"] for row in rows_of(lake(plays=plays)("diversity_by_month"))}
    assert times == {"2023-12": 120_000, "2024-01": 240_000, "all": 360_000}


def test_a_month_without_music_has_no_figures(lake):
    """February, between two months with music, is null and not 0; a month of podcasts alone is one without music."""
    plays = plays_frame(
        [
            play("anna", "2024-01-31 10:00"),
            play("anna", "2024-02-10 10:00", media="episode"),
            play("anna", "2024-03-01 10:00"),
        ]
    )
    rows = rows_of(lake(plays=plays)("diversity_by_month"))
    assert [(row["period"], row["artists"], row["entropy_bits"]) for row in rows] == [
        ("all", 1, 0.0),
        ("2024-01", 1, 0.0),
        ("2024-02", 0, None),
        ("2024-03", 1, 0.0),
    ]


def test_months_with_a_gap_are_a_minimum(lake):
    """A gap of coverage in February flags it and the whole, not the months around it."""
    plays = plays_frame(play("anna", f"2024-{day} 10:00") for day in ("01-31", "02-01", "02-28", "03-01"))
    files = exports(anna=[("2024-01-01", "2024-02-02"), ("2024-02-20", "2024-03-31")])
    rows = rows_of(lake(plays=plays, history_files=files)("diversity_by_month"))
    assert {row["period"]: row["is_minimum"] for row in rows} == {
        "all": True,
        "2024-01": False,
        "2024-02": True,
        "2024-03": False,
    }
