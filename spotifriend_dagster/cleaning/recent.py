"""Pages of recently-played, as typed rows of `recent_plays`: one day of collection of one listener at a time.

Which plays other days and exports also hold belongs to `duplicates.py` and `matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import pandas as pd

from spotifriend_dagster.cleaning.api_objects import mapping, text, track_facts
from spotifriend_dagster.cleaning.instants import problems_of_instants, read_instants
from spotifriend_dagster.cleaning.media import without_placeholder_names
from spotifriend_dagster.cleaning.payloads import parse_json
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.frames import typed_frame

_WHOLE_PAGE = -1


@dataclass(frozen=True)
class CleanedRecent:
    """What became of the polls of one day: typed frames of `recent_plays`, `recent_pages` and `recent_rejects`.

    Every play of a page is rejected, new that day (a row of plays), or a repeat (counted in its `copies`).
    """

    plays: pd.DataFrame
    pages: pd.DataFrame
    rejects: pd.DataFrame


def clean_recent(raw: pd.DataFrame, day: date, now: pd.Timestamp) -> CleanedRecent:
    """Type the plays that one day's polls of recently-played returned to one listener.

    A play is known by its `played_at` and its track's URI; the first poll of the day that returned it is the one that
    it comes from. Both dialects of the Web API are read (2026: development mode and extended quota). A local file has a
    URI and names, but no ids. A page that cannot be read is rejected as if it were one play, at its place in the poll.

    Args:
        raw: rows of `raw_recently_played`, and `file`, the raw object's name: one object is one poll, one row a page of
            it.
        day: the UTC day of collection.
        now: the wall clock, UTC-aware.
    """
    pulled_at = read_instants(raw["pulled_at"])
    raw = raw.assign(pulled_at=pulled_at.groupby(raw["file"]).transform("min"))
    raw = raw.sort_values(["pulled_at", "file", "page"], ignore_index=True)
    items = pd.DataFrame(_items(raw), columns=_ITEM_COLUMNS).astype(dict.fromkeys(_TEXTS, "str"))
    played_at = read_instants(items["played_at"])
    reason = items["reason"].fillna(problems_of_instants(played_at, items["played_at"], now))
    is_good = reason.isna()
    good = without_placeholder_names(items.assign(played_at=played_at, collected_on=pd.Timestamp(day))[is_good])
    good["copies"] = good.groupby(["played_at", "track_uri"])["row"].transform("size")
    plays = good.drop_duplicates(["played_at", "track_uri"])
    rejects = items.assign(origin=day.isoformat(), file=items["page"], reason=reason)[~is_good]
    rejects["payload"] = [
        _received(raw["payload"].iloc[answer], place)
        for answer, place in zip(rejects["answer"], rejects["place"], strict=True)
    ]
    return CleanedRecent(
        plays=typed_frame(plays, RECENT_PLAYS),
        pages=typed_frame(_pages(raw, items, good, plays, day), RECENT_PAGES),
        rejects=typed_frame(rejects, RECENT_REJECTS),
    )


_TEXTS = [
    *("page", "reason", "played_at"),
    *("track_uri", "track_name", "artist_name", "album_name", "isrc", "context_uri"),
]
_ITEM_COLUMNS = [*_TEXTS, "row", "answer", "place", "artist_ids", "artist_names", "duration_ms"]


def _pages(raw: pd.DataFrame, items: pd.DataFrame, good: pd.DataFrame, plays: pd.DataFrame, day: date) -> pd.DataFrame:
    pages = raw.groupby("file", sort=False)["pulled_at"].first().to_frame().rename_axis("page")
    rows = items.groupby("page").size()
    times = good.groupby("page")["played_at"]
    pages = pages.assign(
        collected_on=pd.Timestamp(day),
        rows=rows,
        rejected_rows=rows.sub(times.size(), fill_value=0),
        new_rows=plays.groupby("page").size(),
        oldest_played_at=times.min(),
        newest_played_at=times.max(),
    )
    return pages.fillna({"rows": 0, "rejected_rows": 0, "new_rows": 0}).reset_index()


def _items(raw: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The plays of all answers, each with the answer's number and its place there: a page as such has the place -1."""
    rows = dict.fromkeys(raw["file"], 0)
    seen: dict[Any, dict[str, Any]] = {}
    for answer, (file, payload) in enumerate(zip(raw["file"], raw["payload"], strict=True)):
        for place, play in _plays_of_answer(payload, seen):
            yield {"page": file, "row": rows[file], "answer": answer, "place": place, **play}
            rows[file] += 1


def _plays_of_answer(payload: str, seen: dict[Any, dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        answer = parse_json(payload)
    except ValueError:
        yield _WHOLE_PAGE, {"reason": "page is not readable as JSON"}
        return
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        yield _WHOLE_PAGE, {"reason": "page has no list of plays"}
        return
    for place, item in enumerate(items):
        yield place, _play(item, seen)


def _received(payload: str, place: int) -> str:
    """What was received at that place. It is read again, so that nothing is kept of the many that are good."""
    return payload if place == _WHOLE_PAGE else orjson.dumps(parse_json(payload)["items"][place]).decode()


def _play(item: Any, seen: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """The item's columns, or the reason why it has none; `seen` are those of the plays that the day had so far."""
    if not isinstance(item, dict):
        return {"reason": "no play"}
    track = item.get("track") or item.get("item")
    if not isinstance(track, dict):
        return {"reason": "no track"}
    if track.get("type") == "episode":
        return {"reason": "an episode, not a track"}
    uri = text(track.get("uri"))
    if uri is None:
        return {"reason": "no track URI"}
    played_at = text(item.get("played_at"))
    if (played_at, uri) not in seen:
        context_uri = text(mapping(item.get("context")).get("uri"))
        seen[played_at, uri] = {
            "played_at": played_at,
            "track_uri": uri,
            **track_facts(track),
            "context_uri": context_uri,
        }
    return seen[played_at, uri]
