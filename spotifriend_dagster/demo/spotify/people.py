"""Who has an account with the simulated Spotify, and what the Web API says of people."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from spotifriend_dagster.demo.diary import HOME_COUNTRY
from spotifriend_dagster.demo.library import Library, collect_library, favourites
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.objects import Objects
from spotifriend_dagster.demo.polls import RecentlyPlayed, polled_plays


class Listener:
    """A simulated listener's account.

    Attributes:
        name: what tests call the listener.
        truth: what really happened.
        objects: of the listener's catalogue.
        user_id, account_id, display_name, email: as /me says them.
        is_allow_listed: whether the app in development mode may ask of this listener.
    """

    def __init__(self, name: str, truth: Truth, objects: Objects) -> None:
        self.name = name
        self.truth = truth
        self.objects = objects
        identity = hashlib.sha256(f"{name}:{truth.seed}".encode()).hexdigest()
        self.user_id, self.account_id = f"31{identity[:26]}", identity[26:48]
        self.display_name, self.email = name.title(), f"{name}@example.com"
        self.is_allow_listed = True
        self.plays = self._true_plays = polled_plays(truth)

    @cached_property
    def library(self) -> Library:
        """What the listener keeps."""
        return collect_library(self.truth)

    @property
    def plays(self) -> pd.DataFrame:
        """The plays that the Web API knows of, as `polled_plays` gives them. Set it to let plays come late or twice."""
        return self._plays

    @plays.setter
    def plays(self, plays: pd.DataFrame) -> None:
        self._plays = plays
        self.recently_played = RecentlyPlayed(plays, self.objects)

    def favourites(self, kind: Literal["artists", "tracks"], time_range: str, now: datetime) -> list[int]:
        """Rows of the catalogue, as `library.favourites` ranks them, whatever becomes of the plays."""
        return favourites(self.truth, self._true_plays, kind, time_range, now)

    def profile(self, scopes: frozenset[str]) -> dict[str, Any]:
        """The answer of /me to an app with these scopes."""
        said = {**public_user(self.user_id, self.objects), "display_name": self.display_name, "images": []}
        said["account_id"] = self.account_id
        if self.objects.is_extended:
            said["followers"] = {"href": None, "total": 17}
            if "user-read-private" in scopes:
                said |= {"country": HOME_COUNTRY, "product": "premium"}
                said["explicit_content"] = {"filter_enabled": False, "filter_locked": False}
            if "user-read-email" in scopes:
                said["email"] = self.email
        return said


def public_user(user_id: str, objects: Objects) -> dict[str, Any]:
    """How a person is named."""
    return objects.reference(f"spotify:user:{user_id}")
