"""A simulated Spotify with listeners who are signed in to it, and a patience that never really sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.sources.spotify.app import SpotifyApp
from spotifriend_dagster.sources.spotify.client import SpotifyClient, open_client
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.sign_in import sign_in
from spotifriend_dagster.sources.spotify.tokens import Token, read_token


@lru_cache
def truths() -> dict[str, Truth]:
    """Two people, each over eight weeks."""
    return {
        "robin": simulate(3, start=date(2026, 5, 1), years=0.15),
        "ana": simulate(4, start=date(2026, 5, 1), years=0.15),
    }


@dataclass
class Pauses:
    """Time that passes only where somebody sleeps."""

    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Note it."""
        self.slept.append(seconds)

    def patience(self, **others: Any) -> Patience:
        """A patience over this time."""
        return Patience(**{"connect": 2, "read": 5, "sleep": self.sleep, "monotonic": lambda: sum(self.slept)} | others)


@dataclass
class World:
    """Spotify, the app, where tokens are, and time."""

    spotify: SimulatedSpotify
    secrets: FolderSecrets
    pauses: Pauses = field(default_factory=Pauses)

    @property
    def app(self) -> SpotifyApp:
        """The app that Spotify knows."""
        spotify = self.spotify
        return SpotifyApp(spotify.client_id, api_url=spotify.api_url, accounts_url=spotify.accounts_url)

    def sign_in(self, listener: str = "robin", account: str | None = None) -> Token:
        """Sign a listener in, with the account of their name or another one."""
        return sign_in(
            self.app,
            self.secrets,
            listener,
            truths(),
            lambda address: self.spotify.authorize(address, account or listener),
            now=self.spotify.clock,
            patience=self.pauses.patience(),
        )

    def client(self, listener: str = "robin", budget: int = 100, **patience: Any) -> SpotifyClient:
        """A client in the listener's name."""
        return open_client(
            self.app,
            self.secrets,
            listener,
            budget=budget,
            now=self.spotify.clock,
            patience=self.pauses.patience(**patience),
        )

    def token(self, listener: str = "robin") -> Token:
        """The stored token."""
        token = read_token(self.secrets, listener)
        assert token is not None
        return token

    def asked(self, path: str) -> int:
        """How often Spotify was asked for it."""
        return sum(request.path == path for request in self.spotify.requests)


@contextmanager
def world(folder: Path, dialect: Any = "development", **others: Any) -> Iterator[World]:
    """A world in which nobody is signed in yet."""
    with SimulatedSpotify(truths(), dialect, **others) as spotify:
        yield World(spotify, FolderSecrets(folder / "secrets"))
