"""How music sounds through the day."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

import pytest

from spotifriend_dagster.tables.snapshots import TRACK_FEATURES
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.made_snapshots import FEATURES, track_features_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, listens_of, rows_of


@pytest.mark.parametrize("seed", [1, 2])
def test_means_are_what_plain_python_computes(made_lake, seed):
    """Over listens, so that what is heard often weighs more; what has no tempo is left out of that mean alone."""
    plays = made_history(seed)
    features = {(row["listener"], row["track_uri"]): row for row in rows_of(track_features_frame(plays))}
    expected = []
    for listener, listens in listens_of(plays).items():
        hours, sounds = defaultdict(int), defaultdict(list)
        for row in listens:
            hours[row["local_hour"]] += 1
            if told := features.get((listener, row["track_uri"])):
                sounds[row["local_hour"]].append(told)
        for hour, told in sounds.items():
            sources = {row["feature_source"] for row in told}
            values = {name: [row[name] for row in told if row[name] is not None] for name in FEATURES}
            expected.append(
                {
                    "listener": listener,
                    "local_hour": hour,
                    "feature_source": "mixed" if len(sources) > 1 else min(sources),
                    "listens": hours[hour],
                    "feature_listens": len(told),
                    "feature_coverage": len(told) / hours[hour],
                    "is_low_coverage": len(told) / hours[hour] < 0.5,
                    "is_small_sample": len(told) < 50,
                    **{name: fmean(known) if known else None for name, known in values.items()},
                    "is_minimum": False,
                }
            )
    assert_rows(made_lake(seed)("audio_features_by_hour"), expected, "listener", "local_hour")


def test_there_is_nothing_where_no_features_are(lake):
    """Most listeners' case: no rows, rather than hours of nulls."""
    plays = plays_frame([play("anna", "2024-01-01 10:00")])
    assert lake(plays=plays, track_features=frame_of(TRACK_FEATURES, []))("audio_features_by_hour").empty


def test_half_of_the_listens_is_enough(lake):
    """One of two listens has features: no low coverage; one of three is."""
    plays = plays_frame(
        play("anna", f"2024-01-01 {hour}:{minute}", track_uri=uri)
        for hour, minute, uri in (
            ("10", "00", "a"),
            ("10", "10", "b"),
            ("11", "00", "a"),
            ("11", "10", "b"),
            ("11", "20", "b"),
        )
    )
    features = frame_of(
        TRACK_FEATURES, [{"listener": "anna", "track_uri": "a", "feature_source": "user", "energy": 0.25}]
    )
    rows = rows_of(lake(plays=plays, track_features=features)("audio_features_by_hour"))
    told = [(row["local_hour"], row["is_low_coverage"], row["energy"], row["tempo"]) for row in rows]
    assert told == [(10, False, 0.25, None), (11, True, 0.25, None)]
