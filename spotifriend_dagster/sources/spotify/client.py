"""Asking the Web API in one listener's name: one method for each thing that is collected, one answer for each page.

How a call is made, repeated and refused is in `transport.py`; what of a body is kept, in `redaction.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spotifriend_dagster.sources.spotify.app import SpotifyApp
from spotifriend_dagster.sources.spotify.tokens import Secrets


@dataclass(frozen=True)
class Answer:
    """One page. `endpoint` is the path with the query that was asked, without its host; `body` is as received, less
    private fields, and with other people as hashes.
    """

    endpoint: str
    body: Any


@dataclass(frozen=True)
class Patience:
    """How long to wait for Spotify, in seconds, and how often to try.

    `longest_wait` is the longest `Retry-After` that is slept; `pull` bounds everything that one method's pages take.
    """

    attempts: int = 4
    connect: float = 5
    read: float = 30
    longest_wait: float = 60
    pull: float = 300
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


def _now() -> datetime:
    return datetime.now(UTC)


def open_client(
    app: SpotifyApp,
    secrets: Secrets,
    listener: str,
    *,
    budget: int,
    now: Callable[[], datetime] = _now,
    patience: Patience = Patience(),
) -> SpotifyClient:
    """A client that asks in the listener's name. Opening it makes no call, but where their token is too old.

    Args:
        app: which app asks.
        secrets: where the listener's token is, and where a renewed one goes.
        listener: the listener's id.
        budget: how many calls of the Web API this client may make, repeated ones included.
        now: the clock (UTC).
        patience: how long to wait, and how often to try.

    Raises:
        NoApp: no app is configured.
        NotSignedIn: there is no token, or none that can be read, or it is another app's.
        ConsentEnded: Spotify ended the consent.
        Unavailable: the token had to be renewed, and Spotify does not answer.
    """
    raise NotImplementedError


class SpotifyClient:
    """The Web API in one listener's name.

    Every method yields one `Answer` per page, lazily, so that what came before an error is the caller's to keep. They
    raise `SignInError`, `PullStopped`, `Denied`, `NotFound` or `TransientError` (see `errors.py`).
    """

    @property
    def calls(self) -> int:
        """How many calls of the Web API were made, repeated ones included; renewing a token is none of them."""
        raise NotImplementedError

    @property
    def retries(self) -> int:
        """How many of the calls repeated one that had failed."""
        raise NotImplementedError

    @property
    def scopes(self) -> frozenset[str]:
        """What the listener consented to."""
        raise NotImplementedError

    def recently_played(self) -> Iterator[Answer]:
        """The last 50 plays, newest first: one page, all that Spotify tells."""
        raise NotImplementedError

    def top_tracks(self) -> Iterator[Answer]:
        """The 50 top tracks of four weeks, of six months and of a year: three answers."""
        raise NotImplementedError

    def top_artists(self) -> Iterator[Answer]:
        """The 50 top artists of four weeks, of six months and of a year: three answers."""
        raise NotImplementedError

    def playlists(self) -> Iterator[Answer]:
        """The listener's playlists, own and followed."""
        raise NotImplementedError

    def playlist_items(self, playlist_id: str) -> Iterator[Answer]:
        """What is in a playlist. `Forbidden` for those of others, in development mode."""
        raise NotImplementedError

    def saved_tracks(self) -> Iterator[Answer]:
        """The saved tracks, newest first: whoever has enough stops asking for more."""
        raise NotImplementedError

    def followed_artists(self) -> Iterator[Answer]:
        """The artists that the listener follows."""
        raise NotImplementedError

    def profile(self) -> Iterator[Answer]:
        """The listener's account: `account` and `id` as hashes, and country, product and followers where sent.

        Raises:
            OtherAccount: the token belongs to another account than the one that signed in.
        """
        raise NotImplementedError

    def artist(self, artist_id: str) -> Iterator[Answer]:
        """One artist."""
        raise NotImplementedError

    def track(self, track_id: str) -> Iterator[Answer]:
        """One track."""
        raise NotImplementedError

    def album(self, album_id: str) -> Iterator[Answer]:
        """One album, with the first page of its tracks."""
        raise NotImplementedError

    def audio_features(self, track_ids: Iterable[str]) -> Iterator[Answer]:
        """Audio features of tracks, 100 for each answer. `Forbidden` for apps younger than November 2024."""
        raise NotImplementedError
