"""Taste through the day, and how far each part of it lies from the whole."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, play_hours_frame, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, listens_of, music_of, rows_of, share

PARTS = ("night", "morning", "afternoon", "evening")


def jensen_shannon(part: Counter, whole: Counter) -> float:
    """In bits, from the definition: the entropy of the mean less the mean of the entropies."""

    def entropy(shares):
        return -sum(p * math.log2(p) for p in shares if p)

    p = {artist: part[artist] / part.total() for artist in whole}
    q = {artist: whole[artist] / whole.total() for artist in whole}
    mean = [(p[artist] + q[artist]) / 2 for artist in whole]
    return entropy(mean) - (entropy(p.values()) + entropy(q.values())) / 2


def split_times(plays):
    """Milliseconds by (listener, part of the day, artist) of counted tracks."""
    times = Counter()
    for row in rows_of(play_hours_frame(plays)):
        if row["is_counted"] and row["media"] == "track":
            times[row["listener"], row["daypart"], row["artist_name"]] += row["ms_played"]
    return times


@pytest.mark.parametrize("seed", [1, 2])
def test_taste_is_what_plain_python_counts(made_lake, seed):
    """Shares, lift and rank hold on a history with ties, unknown artists and plays across the boundaries."""
    plays = made_history(seed)
    times = split_times(plays)
    expected = []
    for listener, listens in listens_of(plays).items():
        known = [row for row in listens if row["artist_name"]]
        whole = Counter(row["artist_name"] for row in known)
        first = {}
        parts = defaultdict(Counter)
        for row in known:
            parts[row["daypart"]][row["artist_name"]] += 1
            first.setdefault((row["daypart"], row["artist_name"]), row["started_at"])
        for part, counts in parts.items():
            ranking = sorted(counts, key=lambda a: (-counts[a], -times[listener, part, a], first[part, a], a))
            for rank, artist in enumerate(ranking, start=1):
                mine, overall = counts[artist] / counts.total(), whole[artist] / whole.total()
                expected.append(
                    {
                        "listener": listener,
                        "daypart": part,
                        "artist_name": artist,
                        "listens": counts[artist],
                        "ms_played": times[listener, part, artist],
                        "share": mine,
                        "overall_share": overall,
                        "lift": mine / overall,
                        "artist_rank": rank,
                        "daypart_listens": counts.total(),
                        "is_small_sample": counts.total() < 50,
                    }
                )
    assert_rows(made_lake(seed)("taste_by_daypart"), expected, "listener", "daypart", "artist_name")


@pytest.mark.parametrize("seed", [1, 2])
def test_divergence_is_what_plain_python_computes(made_lake, seed):
    """The sum over the artists of the part alone gives the divergence over all artists."""
    plays = made_history(seed)
    times = split_times(plays)
    expected = []
    for listener, music in music_of(plays).items():
        listens = [row for row in music if row["is_listen"]]
        whole = Counter(row["artist_name"] for row in listens if row["artist_name"])
        all_ms = sum(ms for (of, _, _), ms in times.items() if of == listener)
        for part in PARTS:
            mine = [row for row in listens if row["daypart"] == part]
            known = Counter(row["artist_name"] for row in mine if row["artist_name"])
            ms_played = sum(ms for (of, daypart, _), ms in times.items() if (of, daypart) == (listener, part))
            expected.append(
                {
                    "listener": listener,
                    "daypart": part,
                    "listens": len(mine),
                    "ms_played": ms_played,
                    "listen_share": len(mine) / len(listens),
                    "ms_played_share": ms_played / all_ms,
                    "artists": len(known),
                    "known_artist_listens": known.total(),
                    "unknown_artist_share": share(len(mine) - known.total(), len(mine)),
                    "divergence_bits": jensen_shannon(known, whole) if known else None,
                    "is_small_sample": known.total() < 50,
                }
            )
    assert_rows(made_lake(seed)("daypart_divergence"), expected, "listener", "daypart")


def test_a_listen_counts_where_it_starts_and_its_time_where_it_is_heard(lake):
    """Six minutes from 11:58: one listen of the morning, two minutes of it and four of the afternoon."""
    plays = plays_frame([play("anna", "2024-01-10 11:58", artist="A", ms_played=360_000)])
    run = lake(plays=plays)
    assert_rows(
        run("taste_by_daypart"),
        [{"daypart": "morning", "artist_name": "A", "listens": 1, "ms_played": 120_000, "lift": 1.0}],
        "daypart",
        "artist_name",
    )
    assert_rows(
        run("daypart_divergence"),
        [
            {"daypart": "morning", "listens": 1, "ms_played": 120_000, "divergence_bits": 0.0},
            {"daypart": "afternoon", "listens": 0, "ms_played": 240_000, "divergence_bits": None},
        ],
        "daypart",
    )


def test_parts_without_a_common_artist_are_far_from_the_whole(lake):
    """Two equal parts of one artist each lie (3 log2 (4/3) − 1 …) = 0.3113 bits from the whole, by hand."""
    plays = plays_frame(
        play("anna", f"2024-01-{day:02} {hour}:00", artist=artist)
        for day in range(1, 11)
        for hour, artist in (("08", "A"), ("20", "B"))
    )
    divergence = lake(plays=plays)("daypart_divergence").set_index("daypart")["divergence_bits"]
    by_hand = 0.5 * (math.log2(1 / 0.75) + 0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25))
    assert divergence.to_dict() == pytest.approx({"morning": by_hand, "evening": by_hand})


def test_under_fifty_listens_are_flagged(lake):
    """49 listens of a part are a small sample, 50 are not; listens by unknown artists do not help."""
    plays = plays_frame(
        [play("anna", f"2024-01-{day:02} 08:00", artist="A") for day in range(1, 31)]
        + [play("anna", f"2024-02-{day:02} 08:00", artist="A") for day in range(1, 21)]
        + [play("anna", f"2024-01-{day:02} 14:00", artist="A") for day in range(1, 31)]
        + [play("anna", f"2024-02-{day:02} 14:00", artist="A") for day in range(1, 20)]
        + [play("anna", "2024-02-20 14:00", artist=None)]
    )
    run = lake(plays=plays)
    for name in ("taste_by_daypart", "daypart_divergence"):
        flags = run(name).set_index("daypart")["is_small_sample"].to_dict()
        assert flags == {"morning": False, "afternoon": True}
