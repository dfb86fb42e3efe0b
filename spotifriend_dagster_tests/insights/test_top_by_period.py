"""Tops: artists, recordings and albums by month, year and all time, with how they moved."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import pandas as pd
import pytest

from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, exports, music_of

GRAIN = ("listener", "period_kind", "period", "entity_kind", "rank")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_tops_are_what_plain_python_computes(made_lake, seed):
    """Every place of every period, its shares, and its place in the period before."""
    assert_rows(made_lake(seed)("top_by_period"), _tops(made_history(seed)), *GRAIN)


def test_no_more_than_50_places_but_the_rank_before_may_be_deeper(lake):
    """A riser from place 61 is shown with it: places are given before the list is cut."""
    artists = [f"Artist {number:02}" for number in range(61)]
    january = [play("anna", f"2024-01-{1 + n // 24:02} {n % 24:02}:00", artist=name) for n, name in enumerate(artists)]
    february = [
        play("anna", f"2024-02-{1 + n // 24:02} {n % 24:02}:00", artist=name) for n, name in enumerate(artists[::-1])
    ]
    plays = plays_frame(january + february)
    tops = lake(plays=plays)("top_by_period").query("entity_kind == 'artist' and period == '2024-02'")
    assert tops["rank"].to_list() == list(range(1, 51))
    assert tops.iloc[0][["entity_id", "previous_rank", "rank_change"]].to_list() == ["Artist 60", 61, 60]
    assert tops["listen_share"].unique() == pytest.approx([1 / 61])


def test_the_month_before_january_is_december(lake):
    """Ranks move over New Year; a month without listening between two is no neighbour of the one after it."""
    plays = plays_frame(
        [
            play("anna", "2023-12-31 22:30", zone="Europe/Berlin"),
            play("anna", "2023-12-31 23:30", zone="Europe/Berlin"),
            play("anna", "2024-03-01 10:00", zone="Europe/Berlin"),
        ]
    )
    tops = lake(plays=plays)("top_by_period").query("entity_kind == 'artist'").set_index("period")
    assert tops["previous_rank"].astype(object).where(tops["previous_rank"].notna(), None).to_dict() == {
        "all": None,
        "2023": None,
        "2024": 1,
        "2023-12": None,
        "2024-01": 1,
        "2024-03": None,
    }
    assert tops["listens"].to_dict() == {"all": 3, "2023": 1, "2024": 2, "2023-12": 1, "2024-01": 1, "2024-03": 1}


def test_what_was_only_sampled_is_in_no_list_but_its_time_counts(lake):
    """Without a listen there is no place; beside listens, short plays add their time."""
    plays = plays_frame(
        [
            play("anna", "2024-01-01 10:00", artist="Heard", ms_played=30_000),
            play("anna", "2024-01-01 11:00", artist="Heard", ms_played=29_000),
            play("anna", "2024-01-01 12:00", artist="Sampled", ms_played=29_999),
            play("anna", "2024-01-01 13:00", artist=None),
            play("anna", "2024-01-01 14:00", artist="Hidden", is_private=True),
            play("anna", "2024-01-01 15:00", artist="Spoken", media="episode"),
        ]
    )
    tops = lake(plays=plays)("top_by_period").query("period == 'all'")
    artists = tops[tops["entity_kind"] == "artist"]
    assert artists[["entity_id", "listens", "ms_played", "listen_share"]].to_numpy().tolist() == [
        ["Heard", 1, 59_000, 1.0]
    ]
    assert (tops["entity_kind"] == "recording").sum() == 2
    assert (tops["entity_kind"] == "album").sum() == 1


def test_two_albums_of_one_title_are_two(lake):
    """Every artist has a record called Greatest Hits."""
    plays = plays_frame(
        [play("anna", f"2024-01-0{day} 10:00", artist=f"Artist {day}", album="Greatest Hits") for day in (1, 2)]
    )
    albums = lake(plays=plays)("top_by_period").query("entity_kind == 'album' and period == 'all'")
    assert albums["artist_name"].to_list() == ["Artist 1", "Artist 2"]
    assert set(albums["name"]) == {"Greatest Hits"}


def test_a_period_with_a_day_that_is_not_known_is_a_minimum(lake):
    """Between two exports plays may be missing: in that month, in its year, and in all."""
    plays = plays_frame(
        [play("anna", "2023-12-30 10:00"), play("anna", "2024-01-02 10:00"), play("anna", "2024-06-02 10:00")]
    )
    spans = exports(anna=[("2023-12-30 10:00", "2024-01-03 10:00"), ("2024-05-10 10:00", "2024-06-15 10:00")])
    tops = lake(plays=plays, history_files=spans)("top_by_period").query("entity_kind == 'artist'").set_index("period")
    assert tops["is_minimum"].to_dict() == {
        "all": True,
        "2023": False,
        "2024": True,
        "2023-12": False,
        "2024-01": True,
        "2024-06": False,
    }


def _tops(plays: pd.DataFrame) -> list[dict[str, object]]:
    expected = []
    for listener, own in music_of(plays).items():
        tables = defaultdict(lambda: defaultdict(list))
        for row in own:
            artist, album = row["artist_name"], row["album_name"]
            ids = {
                "artist": artist,
                "recording": row["recording_id"],
                "album": artist and album and f"{artist} / {album}",
            }
            date = row["local_date"]
            for kind, period in (("all", "all"), ("year", f"{date:%Y}"), ("month", f"{date:%Y-%m}")):
                for entity_kind, entity_id in ids.items():
                    if entity_id is not None:
                        tables[entity_kind, kind, period][entity_id].append(row)
        ranks = {}
        for key, entities in tables.items():
            heard = {name: rows for name, rows in entities.items() if any(row["is_listen"] for row in rows)}
            ranks[key] = {name: place for place, name in enumerate(sorted(heard, key=lambda n: _order(n, heard[n])), 1)}
        for (entity_kind, kind, period), places in ranks.items():
            entities = tables[entity_kind, kind, period]
            everything = sum(row["is_listen"] for name in places for row in entities[name])
            before = ranks.get((entity_kind, kind, _before(period)), {})
            for name, place in places.items():
                if place > 50:
                    continue
                listens = [row for row in entities[name] if row["is_listen"]]
                previous = before.get(name)
                expected.append(
                    {
                        "listener": listener,
                        "period_kind": kind,
                        "period": period,
                        "entity_kind": entity_kind,
                        "rank": place,
                        "period_start": _start(period),
                        "entity_id": name,
                        "artist_name": listens[0]["artist_name"],
                        "listens": len(listens),
                        "listen_share": len(listens) / everything,
                        "ms_played": sum(row["ms_played"] for row in entities[name]),
                        "first_listen_at": listens[0]["started_at"],
                        "previous_rank": previous,
                        "rank_change": previous and previous - place,
                        "is_minimum": False,
                    }
                )
    return expected


def _order(name, rows):
    listens = [row["started_at"] for row in rows if row["is_listen"]]
    return -len(listens), -sum(row["ms_played"] for row in rows), min(listens), name


def _start(period: str) -> datetime | None:
    return None if period == "all" else datetime.fromisoformat(f"{period}-01-01"[:10])


def _before(period: str) -> str:
    if period == "all":
        return ""
    if len(period) == 4:
        return str(int(period) - 1)
    return f"{pd.Period(period, freq='M') - 1}"
