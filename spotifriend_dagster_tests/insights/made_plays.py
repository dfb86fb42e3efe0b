"""Plays in shorthand: `play("anna", "2024-03-01 08:00", artist="A")`, and tables made of them.

What follows from the times and names alone is computed here in plain Python, slowly and apart from `cleaning/`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from spotifriend_dagster.tables.cleaned import HISTORY_FILES, PLAY_HOURS, PLAYS, ROW_OUTCOMES
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.frames import dtype

_DAYPARTS = ("night", "morning", "afternoon", "evening")
_HOUR = timedelta(hours=1)
_RETURN_AFTER = timedelta(days=180)


def play(listener: str, started_at: str | datetime, **values: Any) -> dict[str, Any]:
    """One play that began at `started_at` (UTC): a track of 3 minutes, online, ended by `trackdone`, unless told.

    `artist`, `title` and `album` are short for the columns `artist_name`, `track_name` and `album_name`; any column of
    `plays` may be given, and what is given is never overwritten. `zone` is the IANA zone of the listener, UTC unless
    told.
    """
    for short, name in (("artist", "artist_name"), ("title", "track_name"), ("album", "album_name")):
        if short in values:
            values[name] = values.pop(short)
    start = datetime.fromisoformat(started_at) if isinstance(started_at, str) else started_at
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    ms_played = values.setdefault("ms_played", 180_000)
    zone = values.pop("zone", "UTC")
    ended_at = start + timedelta(milliseconds=ms_played)
    local = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    media = values.get("media", "track")
    is_track = media == "track"
    title = values.get("track_name", "A song" if is_track else None)
    artist = values.get("artist_name", "An artist" if is_track else None)
    reason_end = values.get("reason_end", "trackdone")
    skippable = values.get("source", "extended") == "extended" and reason_end not in (None, "", "unknown", "trackerror")
    defaults = {
        "listener": listener,
        "year": start.year,
        "source": "extended",
        "started_at": start,
        "ended_at": ended_at,
        "closed_at": ended_at,
        "start_rule": "offline_ts",
        "is_start_uncertain": False,
        "ms_played_is_estimate": False,
        "time_zone": zone,
        "local_started_at": local,
        **_calendar(local),
        "media": media,
        "track_uri": f"spotify:track:{artist}/{title}" if is_track else None,
        "track_name": title,
        "artist_name": artist,
        "album_name": "An album" if is_track else None,
        "recording_id": f"{artist}/{title}" if is_track else None,
        "reason_start": "trackdone",
        "reason_end": reason_end,
        "shuffle": False,
        "offline": False,
        "is_private": False,
        "is_counted": not values.get("is_private", False),
        "is_listen": ms_played >= 30_000,
        "is_full": reason_end == "trackdone" and ms_played >= 30_000,
        "is_skip": (reason_end in ("fwdbtn", "nextbtn") and ms_played < 30_000) if skippable else None,
        "is_early_exit": ms_played < 30_000 and reason_end in ("fwdbtn", "nextbtn", "backbtn", "clickrow", "playbtn"),
        "origin": "e" * 64,
        "file": "Streaming_History_Audio_0.json",
    }
    return defaults | values


def plays_frame(plays: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A typed frame of `plays` with `listener` and `year`: numbered, in sessions, with novelty and repeats."""
    by_listener = defaultdict(list)
    for given in plays:
        by_listener[given["listener"]].append(dict(given))
    rows = []
    for own in by_listener.values():
        own.sort(key=lambda row: (row["started_at"], row["ended_at"], row["closed_at"]))
        for number, row in enumerate(own):
            numbers = {"play_number": number + 1, "play_id": f"{row['listener']}-{number}", "row": number}
            own[number] = numbers | row
        _number_sessions(own)
        _judge_novelty(own)
        rows += own
    return frame_of(PLAYS, rows)


def frame_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of every column of a table, partition keys included; what a row does not name is null."""
    rows = list(rows)
    frame = pd.DataFrame(rows, columns=[column.name for column in table.all_columns], dtype="object")
    for column in table.all_columns:
        values = frame[column.name]
        if column.type == "timestamp" and not column.name.startswith("local_"):
            values = pd.to_datetime(values, utc=True)
        elif column.type in ("timestamp", "date"):
            values = pd.to_datetime(values)
        frame[column.name] = values.astype(dtype(column))
    return frame


def play_hours_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `play_hours` of these plays: each split where its local hour changes."""
    rows = []
    for row in plays.to_dict("records"):
        zone = ZoneInfo(row["time_zone"])
        start, end = row["started_at"].to_pydatetime(), row["ended_at"].to_pydatetime()
        part = 0
        while start < end or part == 0:
            local = start.astimezone(zone)
            into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            stop = min(end, start + _HOUR - into)
            rows.append(
                {
                    **{name: row[name] for name in ("listener", "play_number", "media", "artist_name")},
                    **{name: row[name] for name in ("is_counted", "ms_played_is_estimate")},
                    **_calendar(local.replace(tzinfo=None)),
                    "part": part,
                    "ms_played": round((stop - start) / timedelta(milliseconds=1)),
                    "year": local.year,
                }
            )
            start, part = stop, part + 1
    return frame_of(PLAY_HOURS, rows)


def history_files_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `history_files` of one export per listener, one file that ends with the last play."""
    files = [
        {
            "listener": listener,
            "export": "e" * 64,
            "file": "Streaming_History_Audio_0.json",
            "source": "extended",
            "rows": len(own),
            "rejected_rows": 0,
            "first_ts": own["closed_at"].min(),
            "last_ts": own["closed_at"].max(),
        }
        for listener, own in plays.groupby("listener")
    ]
    return frame_of(HISTORY_FILES, files)


def row_outcomes_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `row_outcomes` where every row received became a play."""
    keys = ["listener", "source", "origin", "file"]
    kept = [
        dict(zip(keys, key, strict=True), outcome="kept", reason="", rows=len(own)) for key, own in plays.groupby(keys)
    ]
    return frame_of(ROW_OUTCOMES, kept)


DERIVED = {"play_hours": play_hours_frame, "history_files": history_files_frame, "row_outcomes": row_outcomes_frame}


def known_history_start(own: Iterable[Mapping[str, Any]]) -> datetime | None:
    """The start of one listener's first counted listen that another follows within 30 days; None without one."""
    starts = [row["started_at"] for row in own if row["is_counted"] and row["is_listen"]]
    for start, after in pairwise(starts):
        if after - start <= timedelta(days=30):
            return start
    return None


def _calendar(local: datetime) -> dict[str, Any]:
    return {
        "local_date": local.date(),
        "local_hour": local.hour,
        "weekday": local.isoweekday(),
        "is_weekend": local.isoweekday() >= 6,
        "daypart": _DAYPARTS[local.hour // 6],
    }


def _number_sessions(own: list[dict[str, Any]]) -> None:
    number = position = 0
    latest_end = None
    for row in own:
        if not row["is_counted"]:
            continue
        if latest_end is None or row["started_at"] - latest_end > timedelta(minutes=20):
            number, position, latest_end = number + 1, 0, row["ended_at"]
        position, latest_end = position + 1, max(latest_end, row["ended_at"])
        row.setdefault("session_number", number)
        row.setdefault("session_position", position)


def _judge_novelty(own: list[dict[str, Any]]) -> None:
    heard: dict[str, list[datetime]] = defaultdict(list)
    known_from = known_history_start(own)
    for row in own:
        if not (row["is_counted"] and row["is_listen"] and row["media"] == "track"):
            continue
        start = row["started_at"]
        is_known = known_from is not None and start >= known_from
        for kind, name in (("artist", row["artist_name"]), ("recording", row["recording_id"])):
            if name is None:
                continue
            before = heard[f"{kind}:{name}"]
            if kind == "recording":
                repeated = heard[f"repeat:{name}"]
                row.setdefault("is_repeat", any(start - timedelta(hours=168) <= at < start for at in repeated))
                repeated.append(start)
            if not is_known:
                continue
            if not before:
                novelty = "discovery"
            elif start - before[-1] < _RETURN_AFTER:
                novelty = "returning"
            else:
                novelty = "rediscovery" if len(before) >= 3 else "lapsed"
            row.setdefault(f"{kind}_novelty", novelty)
            before.append(start)
