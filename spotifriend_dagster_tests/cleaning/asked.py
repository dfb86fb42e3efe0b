"""Answers of the Web API beside plays, in either dialect, as raw frames in shorthand; and the way through cleaning."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pandas as pd

from spotifriend_dagster.cleaning.snapshots import CleanedSnapshots, clean_snapshots
from spotifriend_dagster_tests.cleaning.received import text_of

Dialect = Literal["development", "extended"]
MORNING = datetime(2026, 10, 1, 6)
DAY = MORNING.date()
NOW = pd.Timestamp("2026-11-01", tz="UTC")


def track(name: str, dialect: Dialect = "development", **fields: Any) -> dict[str, Any]:
    """A track object, by the artist of its first letter."""
    removed = {"popularity": 50, "available_markets": ["DE"], "linked_from": None, "preview_url": None}
    return {
        "album": {"id": "album", "name": "Album", "type": "album", "release_date": "2020"},
        "artists": [artist(name[0])],
        "duration_ms": 180_000,
        "explicit": False,
        "external_ids": {"isrc": f"ISRC{name}"},
        "id": name,
        "is_local": False,
        "name": f"Song {name}",
        "type": "track",
        "uri": f"spotify:track:{name}",
        **(removed if dialect == "extended" else {}),
        **fields,
    }


def artist(name: str, **fields: Any) -> dict[str, Any]:
    """An artist as others name them."""
    return {"id": name, "name": f"Artist {name}", "type": "artist", "uri": f"spotify:artist:{name}"} | fields


def local(name: str) -> dict[str, Any]:
    """A file of the owner's in a playlist: no id, and an artist without one."""
    nobody = {"id": None, "name": "Me", "type": "artist", "uri": None}
    said = {"id": None, "uri": f"spotify:local:{name}", "is_local": True, "external_ids": {}}
    return track(name) | said | {"artists": [nobody], "album": {"id": None, "name": ""}}


def episode(name: str) -> dict[str, Any]:
    """An episode in a playlist."""
    return {"id": name, "name": f"Talk {name}", "type": "episode", "uri": f"spotify:episode:{name}", "show": {}}


def playlist(name: str, dialect: Dialect = "development", *, owner: str = "me", **fields: Any) -> dict[str, Any]:
    """A playlist as the library lists it: development mode tells nothing of the content of others' playlists."""
    content = {"href": f"playlists/{name}", "total": 3}
    said = {"items": content} if dialect == "development" else {"tracks": content}
    return {
        "collaborative": False,
        "id": name,
        "name": f"List {name}",
        "owner": {"id": owner, "type": "user"},
        "public": True,
        "snapshot_id": f"{name}-1",
        "type": "playlist",
        "uri": f"spotify:playlist:{name}",
        **(said if owner == "me" or dialect == "extended" else {}),
        **fields,
    }


def entry(held: Any, dialect: Dialect = "development", **fields: Any) -> dict[str, Any]:
    """An entry of a playlist."""
    said = {"added_at": "2026-01-01T00:00:00Z", "added_by": {"id": "me", "type": "user"}, "is_local": False}
    return said | {"item" if dialect == "development" else "track": held} | fields


def saved(held: Any, added_at: Any = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """A liked song."""
    return {"added_at": added_at, "track": held}


def pages(endpoint: str, items: list[Any], size: int = 50, *, stop: int | None = None) -> list[tuple[str, Any]]:
    """The answers to a list, page by page; of a pull that stopped, the first `stop` pages."""
    starts = range(0, max(len(items), 1), size)
    answers = [
        (
            f"{endpoint}{'&' if '?' in endpoint else '?'}limit={size}&offset={start}",
            {
                "href": endpoint,
                "items": items[start : start + size],
                "limit": size,
                "next": f"{endpoint}?offset={start + size}" if start + size < len(items) else None,
                "offset": start,
                "previous": None,
                "total": len(items),
            },
        )
        for start in starts
    ]
    return answers[:stop]


def pull(answers: Iterable[tuple[str, Any]], minute: float = 0, file: str | None = None) -> pd.DataFrame:
    """A pull that many minutes after six, as raw rows; a body that is a text is the payload itself."""
    pulled_at = MORNING + timedelta(minutes=minute)
    return pd.DataFrame(
        [
            {
                "pulled_at": f"{pulled_at.isoformat(timespec='milliseconds')}Z",
                "endpoint": endpoint,
                "page": page,
                "payload": text_of(body),
                "dt": f"{pulled_at:%Y-%m-%d}",
                "file": file or f"{pulled_at:%Y%m%dT%H%M%S}000Z",
            }
            for page, (endpoint, body) in enumerate(answers)
        ],
        columns=["pulled_at", "endpoint", "page", "payload", "dt", "file"],
    ).astype({"pulled_at": "str", "endpoint": "str", "payload": "str", "dt": "str", "file": "str"})


def cleaned_day(day: date = DAY, **pulls: list[pd.DataFrame]) -> CleanedSnapshots:
    """What cleaning makes of a day's pulls, by source."""
    received = {f"raw_{source}": pd.concat(frames, ignore_index=True) for source, frames in pulls.items()}
    return clean_snapshots(received, day, NOW)
