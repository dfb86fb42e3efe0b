"""Discovering against returning, by month."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import known_history_start, play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, listens_of, month_of, rows_of

KINDS = ("discovery", "returning", "rediscovery", "lapsed")


@pytest.mark.parametrize("seed", [1, 2])
def test_months_are_what_plain_python_counts(made_lake, seed):
    """Every listen is one of the four for its artist (if known) and for its recording; the shares add up to 1."""
    plays = made_history(seed)
    expected = []
    seen = set()
    for listener, listens in listens_of(plays).items():
        known_from = known_history_start(row for row in rows_of(plays) if row["listener"] == listener)
        for subject, name in (("artist", "artist_name"), ("recording", "recording_id")):
            last, earlier = {}, Counter()
            months = defaultdict(list)
            for row in listens:
                if row[name] is None or row["started_at"] < known_from:
                    continue
                if row[name] not in last:
                    kind = "discovery"
                elif row["started_at"] - last[row[name]] < timedelta(days=180):
                    kind = "returning"
                else:
                    kind = "rediscovery" if earlier[row[name]] >= 3 else "lapsed"
                last[row[name]] = row["started_at"]
                earlier[row[name]] += 1
                is_early = row["started_at"] < known_from + timedelta(days=90)
                months[month_of(row["local_date"])].append((kind, row[name], is_early))
                seen.add(kind)
            for month, found in months.items():
                counts = Counter(kind for kind, _, _ in found)
                expected.append(
                    {
                        "listener": listener,
                        "month": month,
                        "subject": subject,
                        "listens": len(found),
                        "heard": len({heard for _, heard, _ in found}),
                        **{f"{kind}_listens": counts[kind] for kind in KINDS},
                        **{f"{kind}_share": counts[kind] / len(found) for kind in KINDS},
                        "local_novelty": 1 - counts["returning"] / len(found),
                        "censored_discoveries": sum(kind == "discovery" and early for kind, _, early in found),
                        "is_censored": any(early for _, _, early in found),
                    }
                )
    assert seen == set(KINDS)
    assert_rows(made_lake(seed)("discovery_vs_returning"), expected, "listener", "month", "subject")


def test_exactly_a_hundred_and_eighty_days_is_a_return_from_afar(lake):
    """180 × 24 h after the last listen it is no longer returning; with three earlier listens it is a rediscovery."""
    start = datetime(2024, 1, 1, 10)
    back = start + timedelta(days=182)
    plays = plays_frame(
        [
            *(play("anna", start + timedelta(days=day), artist="Loved") for day in (0, 1, 2)),
            *(play("anna", start + timedelta(days=day), artist="Met") for day in (0, 2)),
            play("anna", start + timedelta(days=2, seconds=1), artist="Kept"),
            play("anna", back, artist="Loved"),
            play("anna", back, artist="Met"),
            play("anna", back, artist="Kept"),
        ]
    )
    july = {
        "month": datetime(2024, 7, 1),
        "subject": "artist",
        "discovery_listens": 0,
        "returning_listens": 1,
        "rediscovery_listens": 1,
        "lapsed_listens": 1,
        "local_novelty": 2 / 3,
        "is_censored": False,
    }
    result = lake(plays=plays)("discovery_vs_returning")
    july_only = result[(result["month"] == "2024-07-01") & (result["subject"] == "artist")]
    assert_rows(july_only, [july], "month", "subject")


def test_a_month_is_the_listeners_own(lake):
    """A listen at 03:30 UTC on 1 January is one of December in New York."""
    plays = plays_frame(play("anna", f"2024-01-01 {at}", zone="America/New_York") for at in ("03:30", "03:40"))
    months = lake(plays=plays)("discovery_vs_returning")["month"]
    assert set(months) == {datetime(2023, 12, 1)}


def test_months_with_a_gap_are_a_minimum(lake):
    """Between two exports from 10 February to 20 March nothing is known: those months may hold more."""
    plays = plays_frame(play("anna", f"2024-0{month}-{day} 10:00") for month in range(1, 5) for day in ("01", "28"))
    files = exports(anna=[("2024-01-01", "2024-02-10"), ("2024-03-20", "2024-04-30")])
    rows = rows_of(lake(plays=plays, history_files=files)("discovery_vs_returning"))
    flags = {(row["month"].month, row["subject"]): row["is_minimum"] for row in rows}
    assert flags == {(month, kind): month in (2, 3) for month in range(1, 5) for kind in ("artist", "recording")}
