"""Genres by month: their shares and changes, and the diversity of listening time over them."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, play_hours_frame, plays_frame
from spotifriend_dagster_tests.insights.made_snapshots import genres_of
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, month_of, rows_of
from spotifriend_dagster_tests.insights.test_diversity_by_month import diversity_of
from spotifriend_dagster_tests.insights.test_genres import coverage_of, genres_by_hand, weighed


def next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_months_are_what_plain_python_counts(made_lake, seed):
    """Shares, ranks and changes, over pauses of months, and a row of nothing where a genre was the month before."""
    plays = made_history(seed)
    coverage = coverage_of(plays)
    diversity = {
        (row["listener"], row["period_start"]): row for row in rows_of(made_lake(seed)("genre_diversity_by_month"))
    }
    expected = []
    for listener, told in weighed(plays).items():
        weights, counts, first = defaultdict(Counter), Counter(), {}
        for row, genre, _, weight in told:
            month = month_of(row["local_date"])
            weights[month][genre] += weight
            counts[month, genre] += 1
            first.setdefault((month, genre), row["started_at"])
        before = {next_month(month): mine for month, mine in weights.items()}
        for month, mine in weights.items():
            earlier = before.get(month)
            genres = mine.keys() | (earlier or {}).keys()
            last = datetime.max
            ranking = sorted(
                genres, key=lambda g: (-round(mine[g], 6), -counts[month, g], first.get((month, g), last), g)
            )
            for rank, genre in enumerate(ranking, start=1):
                now = mine[genre] / mine.total()
                then = earlier[genre] / earlier.total() if earlier else None
                expected.append(
                    {
                        "listener": listener,
                        "month": month,
                        "genre": genre,
                        "listens": counts[month, genre],
                        "weight": float(mine[genre]),
                        "share": float(now),
                        "previous_share": None if then is None else float(then),
                        "share_change": None if then is None else float(now - then),
                        "genre_rank": rank,
                        "genre_listens": round(mine.total()),
                        "effective_genres": diversity[listener, month]["effective_genres"],
                        "genre_coverage": coverage[listener, "month", f"{month:%Y-%m}"],
                    }
                )
    assert {row["listens"] > 0 for row in expected} == {True, False}
    assert any(row["previous_share"] is None for row in expected)
    assert_rows(made_lake(seed)("genre_evolution"), expected, "listener", "month", "genre")


@pytest.mark.parametrize("seed", [1, 2])
def test_diversity_over_genres_is_what_plain_python_computes(made_lake, seed):
    """The time of each listen is its genres' in equal parts, in the month in which it is heard."""
    plays = made_history(seed)
    is_listen = {(row["listener"], row["play_number"]) for row in rows_of(plays) if row["is_listen"]}
    times, months = defaultdict(Counter), defaultdict(set)
    for row in rows_of(play_hours_frame(plays)):
        if row["is_counted"] and row["media"] == "track" and row["ms_played"]:
            month = f"{row['local_date']:%Y-%m}"
            months[row["listener"]].add(month)
            artist = row["artist_name"]
            if artist and (row["listener"], row["play_number"]) in is_listen:
                for genre in genres_of(artist):
                    for period in (month, "all"):
                        times[row["listener"], period][genre] += row["ms_played"] / len(genres_of(artist))
    expected = []
    for listener, period in [(of, period) for of, heard in months.items() for period in (*heard, "all")]:
        if mine := times[listener, period]:
            figures = diversity_of(mine)
            figures |= {"genres": figures.pop("artists"), "effective_genres": figures.pop("effective_artists")}
            figures["ms_played"] = round(figures["ms_played"])
        else:
            figures = {"genres": 0, "ms_played": 0, "entropy_bits": None, "top_1_share": None}
        expected.append({"listener": listener, "period": period, **figures})
    found = made_lake(seed)("genre_diversity_by_month")
    silent = found["period_kind"].eq("month") & found["estimated_share"].isna()
    assert found.loc[silent, "entropy_bits"].isna().all()
    assert_rows(found[~silent], expected, "listener", "period")


def test_what_comes_and_goes(lake):
    """New in January, with nothing to compare; gone in February; no word of it in March; May follows an empty month."""
    months = (("01-10", "pop"), ("02-10", "rock"), ("03-10", "rock"), ("05-10", "pop"))
    plays = plays_frame(play("anna", f"2024-{day} 10:00") for day, _ in months)
    told = genres_by_hand(*((number, genre, 1.0, "user") for number, (_, genre) in enumerate(months, start=1)))
    rows = [
        (
            f"{row['month']:%m}",
            row["genre"],
            row["share"],
            row["previous_share"],
            row["share_change"],
            row["genre_rank"],
        )
        for row in rows_of(lake(plays=plays, play_genres=told)("genre_evolution"))
    ]
    assert rows == [
        ("01", "pop", 1.0, None, None, 1),
        ("02", "pop", 0.0, 1.0, -1.0, 2),
        ("02", "rock", 1.0, 0.0, 1.0, 1),
        ("03", "rock", 1.0, 1.0, 0.0, 1),
        ("05", "pop", 1.0, None, None, 1),
    ]
