"""Genres by the hour, by part of the day, by weekday and weekend, and how far they reach."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest

from spotifriend_dagster.tables.snapshots import ARTIST_GENRES, PLAY_GENRES
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, play_hours_frame, plays_frame
from spotifriend_dagster_tests.insights.made_snapshots import genres_of, source_of
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, listens_of, rows_of, share
from spotifriend_dagster_tests.insights.test_taste_by_daypart import PARTS, jensen_shannon

KINDS = {
    "all": lambda row: "all",
    "month": lambda row: f"{row['local_date']:%Y-%m}",
    "hour": lambda row: f"{row['local_hour']:02}",
    "daypart": lambda row: row["daypart"],
}


def weighed(plays):
    """By listener, the listens with a genre, each as (listen, genre, source, weight)."""
    return {
        listener: [
            (row, genre, source_of(row["artist_name"]), 1 / len(genres_of(row["artist_name"])))
            for row in listens
            if row["artist_name"]
            for genre in genres_of(row["artist_name"])
        ]
        for listener, listens in listens_of(plays).items()
    }


def genres_by_hand(*told):
    """`play_genres` of one listener: (play_number, genre, weight, source) each."""
    names = ("play_number", "genre", "weight", "genre_source")
    return frame_of(
        PLAY_GENRES,
        [
            {"listener": "anna", "started_at": "2024-01-01", "year": 2024, **dict(zip(names, row, strict=True))}
            for row in told
        ],
    )


def coverage_of(plays):
    """By (listener, dimension, value): the share of the listening time whose artist has any genre."""
    times, known = Counter(), Counter()
    for row in rows_of(play_hours_frame(plays)):
        if row["is_counted"] and row["media"] == "track":
            for kind, value_of in KINDS.items():
                times[row["listener"], kind, value_of(row)] += row["ms_played"]
                has_genre = bool(row["artist_name"] and genres_of(row["artist_name"]))
                known[row["listener"], kind, value_of(row)] += row["ms_played"] * has_genre
    return {key: share(known[key], ms) for key, ms in times.items()}


@pytest.mark.parametrize("seed", [1, 2])
def test_coverage_is_what_plain_python_counts(made_lake, seed):
    """Of listens and of listening time, in all and by month, hour and part; together and for each source."""
    plays = made_history(seed)
    sums = defaultdict(Counter)
    for row in rows_of(play_hours_frame(plays)):
        if not row["is_counted"] or row["media"] != "track":
            continue
        known = bool(row["artist_name"] and genres_of(row["artist_name"]))
        for kind, value_of in KINDS.items():
            key = row["listener"], kind, value_of(row)
            sums[key]["ms"] += row["ms_played"]
            sums[key]["estimated"] += row["ms_played"] * row["ms_played_is_estimate"]
            for source in ("all", source_of(row["artist_name"])) if known else ():
                sums[key][f"{source} ms"] += row["ms_played"]
                sums[key][f"{source} told"] = 1
    for listener, listens in listens_of(plays).items():
        for row in listens:
            known = bool(row["artist_name"] and genres_of(row["artist_name"]))
            for kind, value_of in KINDS.items():
                key = listener, kind, value_of(row)
                sums[key]["listens"] += 1
                for source in ("all", source_of(row["artist_name"])) if known else ():
                    sums[key][f"{source} listens"] += 1
                    sums[key][f"{source} told"] = 1
    expected = [
        {
            "listener": listener,
            "dimension": kind,
            "value": value,
            "genre_source": source,
            "listens": counts["listens"],
            "genre_listens": counts[f"{source} listens"],
            "listen_share": share(counts[f"{source} listens"], counts["listens"]),
            "ms_played": counts["ms"],
            "genre_ms_played": counts[f"{source} ms"],
            "ms_played_share": share(counts[f"{source} ms"], counts["ms"]),
            "is_low_coverage": counts["all ms"] < counts["ms"] / 2,
            "estimated_share": share(counts["estimated"], counts["ms"]),
            "is_minimum": False,
        }
        for (listener, kind, value), counts in sums.items()
        for source in ("all", "user", "spotify", "musicbrainz")
        if source == "all" or counts[f"{source} told"]
    ]
    assert {row["is_low_coverage"] for row in expected} == {True, False}
    grain = ("listener", "dimension", "value", "genre_source")
    assert_rows(made_lake(seed)("genre_coverage"), expected, *grain)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [("taste_by_hour", "local_hour", "hour"), ("taste_by_daypart_genres", "daypart", "daypart")],
)
def test_genres_through_the_day_are_what_plain_python_counts(made_lake, seed, name, column, kind):
    """Weights, shares, lift and rank, with ties, artists of several genres, and artists without any."""
    plays = made_history(seed)
    coverage = coverage_of(plays)
    expected = []
    for listener, told in weighed(plays).items():
        weights, counts, first, sources = defaultdict(Counter), Counter(), {}, defaultdict(set)
        for row, genre, source, weight in told:
            weights[row[column]][genre] += weight
            counts[row[column], genre] += 1
            first.setdefault((row[column], genre), row["started_at"])
            sources[row[column], genre].add(source)
        whole = sum(weights.values(), Counter())
        for here, mine in weights.items():
            ranking = sorted(mine, key=lambda g: (-round(mine[g], 6), -counts[here, g], first[here, g], g))
            listens = round(mine.total())
            value = here if kind == "daypart" else f"{here:02}"
            for rank, genre in enumerate(ranking, start=1):
                overall = whole[genre] / whole.total()
                expected.append(
                    {
                        "listener": listener,
                        column: here,
                        "genre": genre,
                        "genre_source": "mixed" if len(sources[here, genre]) > 1 else min(sources[here, genre]),
                        "listens": counts[here, genre],
                        "weight": mine[genre],
                        "share": mine[genre] / listens,
                        "overall_share": overall,
                        "lift": mine[genre] / listens / overall,
                        "genre_rank": rank,
                        "genre_listens": listens,
                        "genre_coverage": coverage[listener, kind, value],
                        "is_low_coverage": coverage[listener, kind, value] < 0.5,
                        "is_small_sample": listens < 50,
                        "is_minimum": False,
                    }
                )
    assert len({row["genre_source"] for row in expected}) > 2
    assert_rows(made_lake(seed)(name), expected, "listener", column, "genre")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_divergence_of_genres_is_what_plain_python_computes(made_lake, seed):
    """From the same definition as that of artists."""
    plays = made_history(seed)
    coverage = coverage_of(plays)
    expected = []
    for listener, told in weighed(plays).items():
        weights = defaultdict(Counter)
        for row, genre, _, weight in told:
            weights[row["daypart"]][genre] += weight
        whole = sum(weights.values(), Counter())
        expected += [
            {
                "listener": listener,
                "daypart": part,
                "genre_listens": round(weights[part].total()),
                "genre_divergence_bits": jensen_shannon(weights[part], whole),
                "genre_coverage": coverage[listener, "daypart", part],
                "is_low_genre_coverage": coverage[listener, "daypart", part] < 0.5,
                "is_small_genre_sample": weights[part].total() < 50,
            }
            for part in PARTS
        ]
    assert_rows(made_lake(seed)("daypart_divergence"), expected, "listener", "daypart")


@pytest.mark.parametrize("seed", [1, 2])
def test_weekends_are_what_plain_python_computes(made_lake, seed):
    """Shares per day and the smoothed log odds of weights."""
    plays = made_history(seed)
    coverage = coverage_of(plays)
    expected = []
    for listener, told in weighed(plays).items():
        weights, counts, sources = defaultdict(Counter), defaultdict(Counter), defaultdict(set)
        for row, genre, source, weight in told:
            weights[row["is_weekend"]][genre] += weight
            counts[row["is_weekend"]][genre] += 1
            sources[genre].add(source)
        totals = {kind: weights[kind].total() + 0.5 * len(sources) for kind in (False, True)}
        for genre, said_by in sources.items():
            weekday, weekend = weights[False][genre], weights[True][genre]
            per_day = weekday / 5 + weekend / 2
            listens = counts[False][genre] + counts[True][genre]
            lift = math.log2(((weekend + 0.5) / totals[True]) / ((weekday + 0.5) / totals[False]))
            expected.append(
                {
                    "listener": listener,
                    "genre": genre,
                    "genre_source": "mixed" if len(said_by) > 1 else min(said_by),
                    "weekday_listens": counts[False][genre],
                    "weekend_listens": counts[True][genre],
                    "weekday_weight": float(weekday),
                    "weekend_weight": float(weekend),
                    "weekday_share": weekday / 5 / per_day,
                    "weekend_share": weekend / 2 / per_day,
                    "weekend_lift_log2": lift if listens >= 20 else None,
                    "genre_coverage": coverage[listener, "all", "all"],
                    "is_low_coverage": coverage[listener, "all", "all"] < 0.5,
                    "is_minimum": False,
                }
            )
    assert_rows(made_lake(seed)("weekday_weekend_genres"), expected, "listener", "genre")


def test_a_listen_of_two_genres_weighs_one(lake):
    """Half of it is each one's, also where the two are said by different people; the shares add up to 1."""
    plays = plays_frame([play("anna", "2024-01-10 08:00", artist="A"), play("anna", "2024-01-10 08:30", artist="B")])
    told = genres_by_hand((1, "pop", 0.5, "user"), (1, "rock", 0.5, "spotify"), (2, "pop", 1.0, "spotify"))
    run = lake(plays=plays, play_genres=told, artist_genres=frame_of(ARTIST_GENRES, []))
    assert_rows(
        run("taste_by_hour"),
        [
            {"genre": "pop", "listens": 2, "weight": 1.5, "share": 0.75, "genre_source": "mixed", "genre_rank": 1},
            {"genre": "rock", "listens": 1, "weight": 0.5, "share": 0.25, "genre_source": "spotify", "genre_rank": 2},
        ],
        "genre",
    )
    listens = {
        row["genre_source"]: row["genre_listens"] for row in rows_of(run("genre_coverage")) if row["dimension"] == "all"
    }
    assert listens == {"all": 2, "spotify": 2, "user": 1}


def test_thirds_tie_with_a_whole(lake):
    """Three thirds are not quite 1 to a computer; so genres of equal weight go by their listens."""
    plays = plays_frame(play("anna", f"2024-01-10 08:{minute:02}") for minute in (0, 5, 10, 15))
    thirds = [(number, genre, 1 / 3, "user") for number in (1, 2, 3) for genre in ("a", "b", "z")]
    run = lake(plays=plays, play_genres=genres_by_hand(*thirds, (4, "c", 1.0, "user")))
    ranks = run("taste_by_hour").set_index("genre")["genre_rank"].to_dict()
    assert ranks == {"a": 1, "b": 2, "z": 3, "c": 4}


def test_the_lift_of_a_genre_needs_twenty_listens(lake):
    """Nineteen listens have no lift, twenty have one, whatever they weigh."""
    plays = plays_frame(play("anna", f"2024-01-01 10:{minute:02}", ms_played=30_000) for minute in range(39))
    told = [(number, "few" if number <= 19 else "enough", 1.0, "user") for number in range(1, 40)]
    lifts = lake(plays=plays, play_genres=genres_by_hand(*told))("weekday_weekend_genres").set_index("genre")
    assert lifts["weekend_lift_log2"].notna().to_dict() == {"few": False, "enough": True}
    assert lifts.loc["enough", "weekend_lift_log2"] == pytest.approx(math.log2((0.5 / 1) / (20.5 / 40)))


@pytest.mark.parametrize(("known_minutes", "is_low"), [(29, True), (30, False)])
def test_under_half_of_the_time_is_low_coverage(lake, known_minutes, is_low):
    """Exactly half is enough; every genre insight carries the flag."""
    minutes = {"Known": known_minutes, "Unknown": 60 - known_minutes}
    plays = plays_frame(
        play("anna", f"2024-01-10 {hour}:00", artist=artist, ms_played=length * 60_000)
        for hour, (artist, length) in zip(("08", "09"), minutes.items(), strict=True)
    )
    artists = frame_of(
        ARTIST_GENRES,
        [{"listener": "anna", "artist_name": "Known", "genre": "pop", "genre_source": "user"}],
    )
    run = lake(plays=plays, artist_genres=artists, play_genres=genres_by_hand((1, "pop", 1.0, "user")))
    for name in ("weekday_weekend_genres", "taste_by_daypart_genres", "genre_evolution", "genre_diversity_by_month"):
        assert set(run(name)["is_low_coverage"]) == {is_low}, name
    assert set(run("daypart_divergence")["is_low_genre_coverage"]) == {is_low}
    assert set(run("taste_by_hour")["is_low_coverage"]) == {False}, "all of that hour is known"


def test_without_genres_coverage_is_nothing_and_no_genre_is_made_up(lake):
    """An export alone: the coverage says 0, the insights of genres are empty."""
    plays = plays_frame([play("anna", "2024-01-10 08:00", artist="A")])
    run = lake(plays=plays, artist_genres=frame_of(ARTIST_GENRES, []), play_genres=frame_of(PLAY_GENRES, []))
    coverage = rows_of(run("genre_coverage"))
    assert {row["dimension"] for row in coverage} == set(KINDS)
    assert {(row["genre_source"], row["ms_played_share"], row["is_low_coverage"]) for row in coverage} == {
        ("all", 0.0, True)
    }
    for name in ("taste_by_hour", "taste_by_daypart_genres", "weekday_weekend_genres", "genre_evolution"):
        assert run(name).empty
    assert run("daypart_divergence")["genre_divergence_bits"].isna().all()


def test_a_gap_makes_minimums(lake):
    """Of the month that it lies in, and of what is told over all time."""
    plays = plays_frame(
        play("anna", f"2024-{day} 10:00", artist="Artist 5") for day in ("01-31", "02-01", "02-28", "03-01")
    )
    files = exports(anna=[("2024-01-01", "2024-02-02"), ("2024-02-20", "2024-03-31")])
    run = lake(
        plays=plays, history_files=files, play_genres=genres_by_hand(*((n, "pop", 1.0, "user") for n in range(1, 5)))
    )
    coverage = rows_of(run("genre_coverage"))
    months = {row["value"]: row["is_minimum"] for row in coverage if row["dimension"] == "month"}
    assert months == {"2024-01": False, "2024-02": True, "2024-03": False}
    assert {row["is_minimum"] for row in coverage if row["dimension"] != "month"} == {True}
    assert set(run("taste_by_hour")["is_minimum"]) == {True}
    evolution = {f"{row['month']:%m}": row["is_minimum"] for row in rows_of(run("genre_evolution"))}
    assert evolution == {"01": False, "02": True, "03": True}, "March is compared with February"
