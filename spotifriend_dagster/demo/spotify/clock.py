"""The simulated Spotify's clock: real time, shifted, or standing still until it is moved."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class Clock:
    """A clock that can be set and moved on; called, it tells the time."""

    def __init__(self, instant: datetime, *, pace: float = 1.0) -> None:
        """Begin at `instant` (UTC-aware); `pace` is its seconds per second: 0 stands still."""
        self._pace = pace
        self.set(instant)

    def __call__(self) -> datetime:
        """Now (UTC-aware)."""
        instant, since = self._set
        return instant + timedelta(seconds=self._pace * (time.monotonic() - since))

    def set(self, instant: datetime) -> None:
        """Make it `instant` (UTC-aware) now; it runs on from there."""
        if instant.utcoffset() is None:
            raise ValueError(f"An instant needs its zone: {instant!r}.")
        self._set = instant, time.monotonic()

    def advance(self, by: timedelta) -> None:
        """Move on."""
        self.set(self() + by)
