"""What the Web API's recently-played would have answered, in the shape of an app in development mode.

Exports are in `exports.py`. Asking, and storing the answers, belongs to others: these are only bodies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from spotifriend_dagster.demo.catalogue import Catalogue
from spotifriend_dagster.demo.listener import Truth

ENDPOINT = "https://api.spotify.com/v1/me/player/recently-played"
PAGE_PLAYS = 50
LEAST_MS = 30_000
"""Shorter plays are not told."""
_HOUR = timedelta(hours=1)
_LOOK_BACK = 400  # plays among which the newest 50 are looked for first: offline ones in between are not yet known


def poll_answers(
    truth: Truth, first: datetime, last: datetime, every: timedelta = _HOUR
) -> Iterator[tuple[pd.Timestamp, dict[str, Any]]]:
    """The answer to a poll at `first`, and from then on at each `every`, up to and including `last`.

    Args:
        truth: what really happened.
        first: the first poll, UTC-aware.
        last: no poll is later, UTC-aware.
        every: the time between two polls.

    Yields:
        The instant and the answer, as `answers_at` gives it.
    """
    return answers_at(truth, pd.date_range(first, last, freq=every))


def answers_at(truth: Truth, instants: Iterable[datetime]) -> Iterator[tuple[pd.Timestamp, dict[str, Any]]]:
    """The answer of recently-played at each instant (UTC-aware, in any order).

    An answer holds the newest 50 plays that Spotify knows of then: tracks of at least 30 s, none of a private session.
    `played_at` is about the end of the play, pauses included; plays without a connection are known later, with their
    own times.

    Yields:
        The instant and the answer's body. A play is one object in all answers that hold it: not to be changed.
    """
    plays = polled_plays(truth)
    played_at, known_at = (plays[name].to_numpy(dtype="datetime64[ms]") for name in ("played_at", "known_at"))
    items = _Items(truth.catalogue, plays)
    for instant in instants:
        now = pd.Timestamp(instant)
        at = np.datetime64(int(now.timestamp() * 1000), "ms")
        end = int(np.searchsorted(played_at, at, side="right"))
        begin = max(end - _LOOK_BACK, 0)
        known = begin + np.flatnonzero(known_at[begin:end] <= at)
        if len(known) < PAGE_PLAYS:
            known = np.flatnonzero(known_at[:end] <= at)
        yield now, _answer([items[place] for place in known[: -PAGE_PLAYS - 1 : -1].tolist()])


def polled_plays(truth: Truth) -> pd.DataFrame:
    """Every play that the Web API ever knows of, by `played_at`.

    Returns:
        event (the index in `truth.events`), played_at and known_at (UTC, in milliseconds), context_uri, and shown: the
        row of `catalogue.releases` that the API names. Now and then that is another release of the recording than the
        one that was played, and that the exports name.
    """
    events = truth.events
    events = events.loc[(events["media"] == "track") & (events["ms_played"] >= LEAST_MS) & ~events["is_private"]]
    rng = np.random.default_rng([truth.seed, 5])
    # Drawn for all plays, so that a play has its own draw.
    delay = rng.integers(0, 1200, len(truth.events))[events.index]
    is_relinked = rng.random(len(truth.catalogue.releases)) < 0.1
    release, recording = events["release"].to_numpy(), events["recording"].to_numpy()
    played_at = events["stopped_at"] + delay.astype("timedelta64[ms]")
    plays = pd.DataFrame(
        {
            "event": events.index,
            "played_at": played_at,
            "known_at": events["reported_at"].where(events["reported_at"] > played_at, played_at),
            "context_uri": events["context_uri"],
            "shown": np.where(is_relinked[release], recording, release),
        }
    )
    return plays.sort_values(["played_at", "event"], ignore_index=True)


class _Items(dict[int, dict[str, Any]]):
    """The plays of answers, by their place among all: made when first asked for."""

    def __init__(self, catalogue: Catalogue, plays: pd.DataFrame) -> None:
        super().__init__()
        self._tracks = _Tracks(catalogue)
        self._plays = {name: plays[name].tolist() for name in ("shown", "context_uri")}
        self._played_at = np.datetime_as_string(plays["played_at"].to_numpy(dtype="datetime64[ms]"), timezone="UTC")

    def __missing__(self, place: int) -> dict[str, Any]:
        context = self._plays["context_uri"][place]
        self[place] = {
            "track": self._tracks[self._plays["shown"][place]],
            "played_at": str(self._played_at[place]),
            "context": _reference(context, "uri", "type", "href", "external_urls")
            if isinstance(context, str)
            else None,
        }
        return self[place]


class _Tracks(dict[int, dict[str, Any]]):
    """Full track objects by the row of the release: made when first asked for."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue

    def __missing__(self, release: int) -> dict[str, Any]:
        said = self._catalogue.releases.iloc[release]
        recording = self._catalogue.recordings.iloc[said["recording"]]
        album = self._catalogue.albums.iloc[said["album"]]
        featured = [recording["featured"]] if recording["featured"] >= 0 else []
        self[release] = {
            "album": {
                "album_type": album["album_type"],
                "total_tracks": int(album["total_tracks"]),
                "artists": [self._artist(album["artist"])],
                "images": [],
                "name": album["title"],
                "release_date": album["release_date"],
                "release_date_precision": "day",
                **_reference(album["uri"]),
            },
            "artists": [self._artist(artist) for artist in (recording["artist"], *featured)],
            "disc_number": 1,
            "duration_ms": int(said["duration_ms"]),
            "explicit": False,
            "external_ids": {"isrc": said["isrc"]} if isinstance(said["isrc"], str) else {},
            "is_local": False,
            "is_playable": True,
            "name": recording["title"],
            "track_number": int(said["track_number"]),
            **_reference(said["uri"]),
        }
        return self[release]

    def _artist(self, artist: int) -> dict[str, Any]:
        said = self._catalogue.artists.iloc[artist]
        return {"name": said["name"], **_reference(said["uri"])}


_REFERENCE = ("external_urls", "href", "id", "type", "uri")


def _reference(uri: str, *fields: str) -> dict[str, Any]:
    """How an object is named: its id, URI, type and addresses, or those `fields` of them."""
    _, kind, id_ = uri.split(":")
    named = {
        "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{id_}"},
        "href": f"https://api.spotify.com/v1/{kind}s/{id_}",
        "id": id_,
        "type": kind,
        "uri": uri,
    }
    return {field: named[field] for field in fields or _REFERENCE}


def _answer(items: list[dict[str, Any]]) -> dict[str, Any]:
    cursors = None
    if items:
        newest, oldest = (_epoch_ms(items[place]["played_at"]) for place in (0, -1))
        cursors = {"after": str(newest), "before": str(oldest)}
    return {
        "items": items,
        "next": f"{ENDPOINT}?before={cursors['before']}&limit={PAGE_PLAYS}" if cursors else None,
        "cursors": cursors,
        "limit": PAGE_PLAYS,
        "href": f"{ENDPOINT}?limit={PAGE_PLAYS}",
    }


def _epoch_ms(instant: str) -> int:
    return int(np.datetime64(instant.removesuffix("Z"), "ms").astype("int64"))
