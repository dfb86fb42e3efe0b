"""Spotify's own tops: how they move, and how they agree with the listener's own counts."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from spotifriend_dagster.tables.snapshots import PLAYLIST_TRACKS, SAVED_TRACKS, TOP_ARTISTS, TOP_TRACKS
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.made_snapshots import top_artists_frame, top_tracks_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, music_of, rows_of

WINDOW_DAYS = {"short_term": 28, "medium_term": 183, "long_term": 365}
GRAIN = ("listener", "entity_kind", "time_range")
NO_TRACKS = {"top_tracks": frame_of(TOP_TRACKS, [])}


def snapshots_of(plays):
    """By (listener, kind, range): by day, each entity's rank, with its name and artist."""
    told = defaultdict(lambda: defaultdict(dict))
    for kind, frame, key, name in (
        ("track", top_tracks_frame(plays), "track_uri", "track_name"),
        ("artist", top_artists_frame(plays), "artist_id", "artist_name"),
    ):
        for row in rows_of(frame):
            days = told[row["listener"], kind, row["time_range"]]
            days[row["collected_on"]][row[key]] = row["rank"], row[name], row["artist_name"]
    return told


def ranked_artists(day, names, time_range="short_term", listener="anna"):
    """Rows of `top_artists`, in this order."""
    return [
        {
            "listener": listener,
            "year": 2024,
            "collected_on": day,
            "pulled_at": day,
            "time_range": time_range,
            "rank": rank,
            "artist_id": f"id of {name}",
            "artist_name": name,
        }
        for rank, name in enumerate(names, start=1)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_movement_is_what_plain_python_finds(made_lake, seed):
    """Each snapshot against the one before: up, down, the same, entered, left."""
    expected = []
    for (listener, kind, time_range), days in snapshots_of(made_history(seed)).items():
        before, before_on = {}, None
        for day in sorted(days):
            for entity in days[day].keys() | before.keys():
                rank, name, artist = days[day].get(entity, (None, *before.get(entity, (None,))[1:]))
                then = before.get(entity, (None,))[0]
                if before_on is None:
                    movement = "first"
                elif rank is None or then is None:
                    movement = "left" if rank is None else "entered"
                else:
                    movement = "same" if rank == then else "up" if rank < then else "down"
                expected.append(
                    {
                        "listener": listener,
                        "entity_kind": kind,
                        "time_range": time_range,
                        "collected_on": day,
                        "entity_id": entity,
                        "name": name,
                        "artist_name": artist,
                        "rank": rank,
                        "previous_collected_on": before_on,
                        "previous_rank": then,
                        "rank_change": None if None in (rank, then) else then - rank,
                        "movement": movement,
                        "is_latest": day == max(days),
                    }
                )
            before, before_on = days[day], day
    assert {row["movement"] for row in expected} == {"first", "left", "entered", "same", "up", "down"}
    assert_rows(made_lake(seed)("spotify_rank_movement"), expected, *GRAIN, "collected_on", "entity_id")


def test_ranges_are_compared_each_with_its_own_snapshots(lake):
    """A day on which a range could not be had is no snapshot of it: nothing has left, and the one before counts."""
    tops = [
        *ranked_artists("2024-01-01", ["A", "B"]),
        *ranked_artists("2024-01-01", ["A"], "long_term"),
        *ranked_artists("2024-01-02", ["A"], "long_term"),
        *ranked_artists("2024-01-05", ["B", "A"]),
    ]
    rows = rows_of(lake(top_artists=frame_of(TOP_ARTISTS, tops))("spotify_rank_movement"))
    told = {
        (row["time_range"], f"{row['collected_on']:%d}", row["name"]): (row["movement"], row["rank_change"])
        for row in rows
    }
    assert told == {
        ("short_term", "01", "A"): ("first", None),
        ("short_term", "01", "B"): ("first", None),
        ("short_term", "05", "A"): ("down", -1),
        ("short_term", "05", "B"): ("up", 1),
        ("long_term", "01", "A"): ("first", None),
        ("long_term", "02", "A"): ("same", 0),
    }


def extrapolated_overlap(one, other, p=0.9):
    """Rank-biased overlap of two lists of equal length, extrapolated, from its definition (Webber et al., 2010)."""
    length = min(len(one), len(other))
    agreement = [len(set(one[:depth]) & set(other[:depth])) / depth for depth in range(1, length + 1)]
    weighted = sum(share * p**depth for depth, share in enumerate(agreement, start=1))
    return agreement[-1] * p**length + (1 - p) / p * weighted


@pytest.mark.parametrize("seed", [1, 2])
def test_agreement_is_what_plain_python_computes(made_lake, seed):
    """The own ranking of the same days, with tracks that Spotify names by another release, or by an unknown one."""
    plays = made_history(seed)
    music = music_of(plays)
    expected = []
    for (listener, kind, time_range), days in snapshots_of(plays).items():
        collected_on = max(days)
        start = collected_on - timedelta(days=WINDOW_DAYS[time_range])
        recordings = {row["track_uri"]: row["recording_id"] for row in music[listener]}
        named = {(row["track_name"], row["artist_name"]): row["recording_id"] for row in music[listener]}
        ranked = {}
        for uri, (rank, name, artist) in sorted(days[collected_on].items(), key=lambda item: item[1][0]):
            known = recordings.get(uri) or (artist and named.get((name, artist))) or uri
            ranked.setdefault(name if kind == "artist" else known, rank)
        column = "artist_name" if kind == "artist" else "recording_id"
        heard = defaultdict(list)
        for row in music[listener]:
            if start <= row["local_date"] < collected_on and row[column]:
                heard[row[column]].append(row)
        listens = {key: [row for row in own if row["is_listen"]] for key, own in heard.items()}
        own = sorted(
            (key for key in heard if listens[key]),
            key=lambda k: (-len(listens[k]), -sum(r["ms_played"] for r in heard[k]), listens[k][0]["started_at"], k),
        )[:50]
        theirs = list(ranked)
        length = min(len(theirs), len(own))
        common = {depth: len(set(theirs[:depth][:length]) & set(own[:depth][:length])) for depth in (10, 50)}
        expected.append(
            {
                "listener": listener,
                "entity_kind": kind,
                "time_range": time_range,
                "collected_on": collected_on,
                "window_start": start,
                "window_days": WINDOW_DAYS[time_range],
                "complete_days": WINDOW_DAYS[time_range],
                "spotify_entities": len(theirs),
                "own_entities": len(own),
                "common_10": common[10],
                "overlap_10": common[10] / min(10, length),
                "common_50": common[50],
                "overlap_50": common[50] / length,
                "rank_biased_overlap": extrapolated_overlap(theirs, own),
                "is_minimum": False,
            }
        )
    assert len(expected) == 12
    assert any(0 < row["overlap_50"] < 1 for row in expected)
    assert_rows(made_lake(seed)("spotify_top_agreement"), expected, *GRAIN)


def heard_in_order(names, day="2024-01-20"):
    """One listen the more for each place."""
    return plays_frame(
        play("anna", f"{day} {8 + number // 12:02}:{number % 12 * 5:02}", artist=name, title=f"{name}{number}")
        for number, name in enumerate(
            name for count, name in enumerate(reversed(names), start=1) for name in [name] * count
        )
    )


@pytest.mark.parametrize(
    ("spotify", "agreement"),
    [
        ("ABCD", (4, 1.0, 1.0)),
        ("WXYZ", (0, 0.0, 0.0)),
        # agreement 0, 1, 1, 1 at the depths: 1 · 0.9⁴ + (0.1 ÷ 0.9) · (0.9² + 0.9³ + 0.9⁴)
        ("BACD", (4, 1.0, 0.9)),
        ("AB", (2, 1.0, 1.0)),
    ],
)
def test_orders_agree_as_they_should(lake, spotify, agreement):
    """All, nothing, two places changed, and a shorter top, which is judged by its own length."""
    collected = ranked_artists("2024-01-25", spotify)
    files = exports(anna=[("2023-12-01", "2024-01-31")])
    run = lake(
        plays=heard_in_order("ABCD"), top_artists=frame_of(TOP_ARTISTS, collected), history_files=files, **NO_TRACKS
    )
    (row,) = rows_of(run("spotify_top_agreement"))
    assert (row["common_10"], row["overlap_10"]) == agreement[:2]
    assert row["rank_biased_overlap"] == pytest.approx(agreement[2])
    assert row["is_minimum"] is False


def test_no_own_counts_is_no_agreement(lake):
    """A listener of whom there are tops, but no play of these weeks: null and not 0, and a minimum."""
    plays = plays_frame([play("anna", "2022-01-01 10:00", artist="A")])
    run = lake(plays=plays, top_artists=frame_of(TOP_ARTISTS, ranked_artists("2024-01-25", "AB")), **NO_TRACKS)
    (row,) = rows_of(run("spotify_top_agreement"))
    assert (row["spotify_entities"], row["own_entities"], row["common_10"]) == (2, 0, 0)
    assert (row["overlap_10"], row["overlap_50"], row["rank_biased_overlap"]) == (None, None, None)
    assert (row["complete_days"], row["is_minimum"]) == (0, True)


def test_the_window_ends_before_the_day_of_collection(lake):
    """28 local dates: the 28th before counts, the 29th and the day itself do not."""
    days = {"too early": "2024-01-31", "first": "2024-02-01", "last": "2024-02-28", "same day": "2024-02-29"}
    plays = plays_frame(play("anna", f"{day} 12:00", artist=name) for name, day in days.items())
    run = lake(plays=plays, top_artists=frame_of(TOP_ARTISTS, ranked_artists("2024-02-29", days)), **NO_TRACKS)
    (row,) = rows_of(run("spotify_top_agreement"))
    assert (row["window_start"], row["own_entities"], row["common_50"]) == (datetime(2024, 2, 1), 2, 1)


def test_a_track_is_known_by_uri_then_isrc_then_name(lake):
    """What was heard of a track on another release; a track that was never heard has no listens, and no recording."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", title="T", artist="A", track_uri="u1", recording_id="isrc:GB123"),
            play("anna", "2024-01-02 10:00", title="T", artist="A", track_uri="u1", recording_id="isrc:GB123"),
            play(
                "anna", "2024-01-03 10:00", title="S", artist="A", track_uri="u2", recording_id="s|a", ms_played=9_000
            ),
            play(
                "anna", "2024-01-04 10:00", title="P", artist="A", track_uri="u3", recording_id="p|a", is_private=True
            ),
            play("anna", "2024-01-05 10:00", title="X", artist="A", track_uri="u4", recording_id="x|a"),
        ]
    )
    about = {"listener": "anna", "year": 2024, "collected_on": "2024-02-01", "pulled_at": "2024-02-01"}
    saved = frame_of(
        SAVED_TRACKS,
        [
            {**about, "added_at": "2024-01-01", "is_whole_library": True, **track}
            for track in (
                {"track_uri": "u1", "track_name": "T", "artist_name": "A", "isrc": "XX999"},
                {"track_uri": "v1", "track_name": "other", "artist_name": "A", "isrc": "gb-123"},
                {"track_uri": "v2", "track_name": "S", "artist_name": "A", "isrc": "YY000"},
                {"track_uri": "v3", "track_name": "P", "artist_name": "A"},
                {"track_uri": "v4", "track_name": "X", "artist_name": "another"},
            )
        ],
    )
    items = frame_of(
        PLAYLIST_TRACKS,
        [{**about, "playlist_id": "p", "position": 0, "media": "episode", "item_uri": "e", "track_name": "T"}],
    )
    run = lake(plays=plays, saved_tracks=saved, playlist_tracks=items, **NO_TRACKS)
    listened = {
        row["track_uri"]: (row["matched_by"], row["recording_id"], row["listens"], row["ms_played"])
        for row in rows_of(run("snapshot_track_listening"))
    }
    assert listened == {
        "u1": ("uri", "isrc:GB123", 2, 360_000),
        "v1": ("isrc", "isrc:GB123", 2, 360_000),
        "v2": ("name", "s|a", 0, 9_000),
        "v3": ("name", "p|a", 0, 0),
        "v4": (None, None, 0, 0),
    }
