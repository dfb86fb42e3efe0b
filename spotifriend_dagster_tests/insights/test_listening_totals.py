"""The headline figures: totals of all media, without private plays, listener by listener."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from spotifriend_dagster.tables.cleaned import HISTORY_FILES, RECENT_PAGES, ROW_OUTCOMES
from spotifriend_dagster_tests.insights.made_history import made_rows
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, share

MEDIA = ("track", "episode", "audiobook", "video", "unknown")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_totals_are_what_plain_python_computes(made_lake, seed):
    """Every total, count and share of a made-up history, from its plays alone."""
    rows = made_rows(seed)
    expected = []
    for listener in ("anna", "ben"):
        everything = [row for row in rows if row["listener"] == listener]
        plays = [row for row in everything if row["is_counted"]]
        tracks = [row for row in plays if row["media"] == "track"]
        listens = [row for row in plays if row["is_listen"]]
        heard = [row for row in listens if row["media"] == "track"]
        ms_played = sum(row["ms_played"] for row in plays)
        by_media = {media: sum(row["ms_played"] for row in plays if row["media"] == media) for media in MEDIA}
        decidable = [row["is_skip"] for row in tracks if row["is_skip"] is not None]
        wall_ms = _union_ms([(row["started_at"], row["ended_at"]) for row in plays])
        known = [
            first["started_at"]
            for first, then in pairwise(listens)
            if then["started_at"] - first["started_at"] <= timedelta(days=30)
        ]
        expected.append(
            {
                "listener": listener,
                "coverage_start": min(row["closed_at"] for row in everything),
                "coverage_end": max(row["closed_at"] for row in everything),
                "known_history_start": known[0],
                "first_listen_at": listens[0]["started_at"],
                "last_listen_at": listens[-1]["started_at"],
                "plays": len(plays),
                "listens": len(listens),
                "track_listens": len(heard),
                "artists": len({row["artist_name"] for row in heard} - {None}),
                "recordings": len({row["recording_id"] for row in heard} - {None}),
                "active_days": len({row["local_date"] for row in listens}),
                "full_plays": sum(row["is_full"] is True for row in tracks),
                "full_decidable_plays": sum(row["is_full"] is not None for row in tracks),
                "skips": sum(decidable),
                "skippable_plays": len(decidable),
                "ms_played": ms_played,
                **{f"{media}_ms_played": ms for media, ms in by_media.items()},
                "wall_ms": wall_ms,
                "overlap_share": (ms_played - wall_ms) / ms_played,
                "estimated_share": share(
                    sum(row["ms_played"] for row in plays if row["ms_played_is_estimate"]), ms_played
                ),
                "unknown_share": share(by_media["unknown"], ms_played),
                "unknown_artist_share": share(
                    sum(row["ms_played"] for row in tracks if row["artist_name"] is None), by_media["track"]
                ),
                "uncertain_start_share": share(sum(row["is_start_uncertain"] for row in plays), len(plays)),
                "private_plays": len(everything) - len(plays),
                "input_rows": len(everything),
                "duplicate_rows": 0,
                "superseded_rows": 0,
                "rejected_rows": 0,
            }
        )
    assert all(row["overlap_share"] > 0.1 and row["unknown_artist_share"] > 0 for row in expected)
    assert_rows(made_lake(seed)("listening_totals"), expected, "listener")


def test_known_history_starts_after_the_strays(lake):
    """A stray first listen of years ago starts nothing; exactly 30 days apart still belongs together."""
    plays = plays_frame(
        [
            play("anna", "2019-05-01 10:00"),
            play("anna", "2023-01-01 09:00", ms_played=10_000),
            play("anna", "2023-01-02 10:00"),
            play("anna", "2023-02-01 10:00"),
            play("ben", "2019-05-01 10:00"),
            play("ben", "2019-05-31 10:00:00.001"),
        ]
    )
    expected = [
        {"listener": "anna", "known_history_start": datetime(2023, 1, 2, 10)},
        {"listener": "ben", "known_history_start": None},
    ]
    assert_rows(lake(plays=plays)("listening_totals"), expected, "listener")


def test_now_is_the_latest_poll_or_export_on_the_listeners_clock(lake):
    """A poll after the last play moves now, also where it brings nothing new; today is the local date then."""
    plays = plays_frame([play("anna", "2024-06-01 10:00", zone="Pacific/Auckland")])
    page = {"listener": "anna", "year": 2024, "collected_on": "2024-06-05", "page": "p"}
    page |= {"rows": 1, "rejected_rows": 0, "new_rows": 1}
    pages = [
        page | {"pulled_at": "2024-06-05T13:00:00Z", "oldest_played_at": "2024-05-30T10:00:00Z"},
        page | {"pulled_at": "2024-06-05T11:00:00Z", "page": "q"},
    ]
    expected = {
        "listener": "anna",
        "coverage_start": datetime(2024, 5, 30, 10),
        "coverage_end": datetime(2024, 6, 5, 13),
        "complete_days": 8,
        "minimum_days": 0,
        "unknown_days": 0,
        "first_date": datetime(2024, 5, 30),
        "last_date": datetime(2024, 6, 6),
    }
    assert_rows(
        lake(plays=plays, recent_pages=frame_of(RECENT_PAGES, pages))("listening_totals"), [expected], "listener"
    )


def test_overlap_is_what_listening_time_exceeds_the_clock_by(lake):
    """A play within another, one across its end, and one that starts exactly at an end."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", ms_played=600_000),
            play("anna", "2024-01-01 10:02", ms_played=60_000),
            play("anna", "2024-01-01 10:09", ms_played=120_000),
            play("anna", "2024-01-01 10:11", ms_played=60_000),
        ]
    )
    expected = {"listener": "anna", "ms_played": 840_000, "wall_ms": 720_000, "overlap_share": 120 / 840}
    assert_rows(lake(plays=plays)("listening_totals"), [expected], "listener")


def test_time_is_told_by_media_and_the_unknown_is_not_hidden(lake):
    """What nobody can name counts in totals of time, with its share; private plays count nowhere."""
    lengths = dict(zip(MEDIA, (100_000, 200_000, 300_000, 400_000, 1_000_000), strict=True))
    plays = [
        play("anna", f"2024-01-0{day} 10:00", media=media, ms_played=ms, artist=None)
        for day, (media, ms) in enumerate(lengths.items(), start=1)
    ]
    plays.append(play("anna", "2024-01-09 10:00", is_private=True))
    expected = {
        "listener": "anna",
        "ms_played": 2_000_000,
        **{f"{media}_ms_played": ms for media, ms in lengths.items()},
        "unknown_share": 0.5,
        "unknown_artist_share": 1.0,
        "listens": 5,
        "track_listens": 1,
        "artists": 0,
        "private_plays": 1,
    }
    assert_rows(lake(plays=plays_frame(plays))("listening_totals"), [expected], "listener")


def test_a_listener_with_nothing_but_rejected_rows_has_a_row(lake):
    """Their import must show, with its rejected rows, rather than vanish."""
    file = {"listener": "anna", "export": "e", "file": "f", "source": "extended", "rows": 3, "rejected_rows": 3}
    outcome = {"listener": "anna", "source": "extended", "origin": "e", "file": "f", "outcome": "rejected"}
    outcomes = frame_of(ROW_OUTCOMES, [outcome | {"reason": "no ts", "rows": 3}])
    totals = lake(history_files=frame_of(HISTORY_FILES, [file]), row_outcomes=outcomes)("listening_totals")
    expected = {"listener": "anna", "plays": 0, "ms_played": 0, "coverage_end": None, "overlap_share": None}
    assert_rows(totals, [expected | {"input_rows": 3, "rejected_rows": 3}], "listener")


def _union_ms(intervals: list[tuple[datetime, datetime]]) -> int:
    """Milliseconds that at least one interval covers, by sweeping over their edges."""
    edges = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    total, running = timedelta(0), 0
    for (at, change), (then, _) in pairwise(edges):
        running += change
        total += (then - at) if running else timedelta(0)
    return round(total / timedelta(milliseconds=1))
