"""What Spotify sends, in shorthand: rows of exports and pages of polls, as raw frames, and the way through cleaning."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pandas as pd
from hypothesis import strategies as st

from spotifriend_dagster.cleaning.history import CleanedHistory, clean_history
from spotifriend_dagster.cleaning.plays import UnitedPlays, unite_plays
from spotifriend_dagster.cleaning.recent import CleanedRecent, clean_recent
from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.frames import empty_frame

NOW = pd.Timestamp("2025-01-01", tz="UTC")
NOON = datetime(2024, 3, 1, 12)
DAY = NOON.date()
AUDIO = "Streaming_History_Audio_2024_1.json"
MUSIC = "StreamingHistory_music_0.json"


def extended(closed: int = 0, track: str | None = "a", ms_played: int = 180_000, **fields: Any) -> dict[str, Any]:
    """A row of the extended history: a track closed that many seconds after noon."""
    named = {
        "master_metadata_track_name": track and f"Song {track}",
        "master_metadata_album_artist_name": track and f"Artist {track[0]}",
        "spotify_track_uri": track and f"spotify:track:{track}",
    }
    row = {"ts": f"{NOON + timedelta(seconds=closed):%Y-%m-%dT%H:%M:%SZ}", "ms_played": ms_played, **named}
    return row | {"reason_start": "clickrow", "reason_end": "trackdone", "offline": False} | fields


def account(minute: int = 0, track: str = "a", ms_played: int = 180_000, **fields: Any) -> dict[str, Any]:
    """A row of account data: a track that ended in that minute after noon."""
    end = f"{NOON + timedelta(minutes=minute):%Y-%m-%d %H:%M}"
    return {
        "endTime": end,
        "artistName": f"Artist {track[0]}",
        "trackName": f"Song {track}",
        "msPlayed": ms_played,
    } | fields


def polled(played: float = 0, track: str = "a", **fields: Any) -> dict[str, Any]:
    """An item of recently-played: a track reported that many seconds after noon."""
    names = {"id": track, "uri": f"spotify:track:{track}", "name": f"Song {track}", "duration_ms": 180_000}
    artists = [{"id": f"artist-{track[0]}", "name": f"Artist {track[0]}"}]
    described = names | {"artists": artists, "album": {"name": "Album"}, "external_ids": {"isrc": f"ISRC{track}"}}
    played_at = f"{(NOON + timedelta(seconds=played)).isoformat(timespec='milliseconds')}Z"
    return {"track": described | fields, "played_at": played_at, "context": {"uri": "spotify:playlist:p"}}


def text_of(payload: Any) -> str:
    return payload if isinstance(payload, str) else orjson.dumps(payload).decode()


def export_of(rows: Iterable[Any], file: str = AUDIO, export: str = "e1") -> pd.DataFrame:
    """A file of an export, as raw rows; a row that is a text is the payload itself."""
    return pd.DataFrame(
        [
            {"export": export, "file": file, "row": number, "payload": text_of(row), "problem": None}
            for number, row in enumerate(rows)
        ],
        columns=["export", "file", "row", "payload", "problem"],
    ).astype({"export": "str", "file": "str", "row": "int64", "payload": "str", "problem": "str"})


def poll_of(items: list[Any] | str, pulled: int = 0, file: str | None = None, page: int = 0) -> pd.DataFrame:
    """A poll that many seconds after noon, as raw rows; a text is the payload itself."""
    pulled_at = NOON + timedelta(seconds=pulled)
    return pd.DataFrame(
        {
            "file": [file or f"{pulled_at:%Y%m%dT%H%M%S}000Z.jsonl.gz"],
            "pulled_at": [f"{pulled_at.isoformat(timespec='milliseconds')}Z"],
            "endpoint": ["me/player/recently-played"],
            "page": [page],
            "payload": [items if isinstance(items, str) else text_of({"items": items, "next": None, "cursors": None})],
        }
    )


def cleaned(*exports: pd.DataFrame) -> CleanedHistory:
    return clean_history(pd.concat(exports, ignore_index=True), NOW)


def cleaned_day(*polls: pd.DataFrame, day: date = DAY) -> CleanedRecent:
    return clean_recent(pd.concat(polls, ignore_index=True).assign(dt=day.isoformat()), NOW)


def united(*exports: pd.DataFrame, days: Mapping[date, list[pd.DataFrame]] | None = None) -> UnitedPlays:
    """The way through all of cleaning, of a listener in UTC whose private sessions do not count."""
    history = cleaned(*exports) if exports else cleaned(export_of([]))
    received = [cleaned_day(*polls, day=day) for day, polls in (days or {}).items()]
    return unite_plays(
        history=history.plays,
        history_files=history.files,
        history_rejects=history.rejects,
        recent=pd.concat([empty_frame(RECENT_PLAYS), *(one.plays for one in received)], ignore_index=True),
        recent_pages=pd.concat([empty_frame(RECENT_PAGES), *(one.pages for one in received)], ignore_index=True),
        recent_rejects=pd.concat([empty_frame(RECENT_REJECTS), *(one.rejects for one in received)], ignore_index=True),
        zones=ZoneHistory.always("UTC"),
        include_private=False,
    )


def polls_of(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    """Polls of these items: any pages; or such that each holds what the one before held, but for what is dated anew."""
    page = st.lists(items, max_size=4)

    @st.composite
    def going_on(draw: st.DrawFn) -> list[list[Any]]:
        told = [draw(page)]
        for _ in range(draw(st.integers(0, 3))):
            told.append([*draw(st.lists(items, max_size=2)), *(item for item in told[-1] if draw(st.integers(0, 3)))])
        return told

    return st.lists(page, max_size=4) | going_on()


def days_of(polls: list[list[Any]], of_a_day: int = 2) -> dict[date, list[pd.DataFrame]]:
    """Polls a second apart, so many of them to a day of collection."""
    days: dict[date, list[pd.DataFrame]] = {}
    for number, page in enumerate(polls):
        days.setdefault(DAY + timedelta(days=number // of_a_day), []).append(poll_of(page, pulled=number))
    return days


def told_again(polls: list[list[Any]], chance: random.Random) -> list[list[Any]]:
    """The same polls, each page shuffled, and some pages told once more at any time after."""
    told = [chance.sample(page, len(page)) for page in polls]
    for number in reversed(range(len(polls))):
        if chance.random() < 0.5:
            told.insert(chance.randint(number + 1, len(told)), polls[number])
    return told


def outcomes(result: UnitedPlays) -> dict[tuple[str, str], int]:
    """Rows by source and outcome."""
    return result.row_outcomes.groupby(["source", "outcome"])["rows"].sum().to_dict()
