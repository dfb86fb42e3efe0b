"""How long to wait for Spotify, and how often to ask again. What is worth asking again, the callers know."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from spotifriend_dagster.sources.errors import SourceError

_T = TypeVar("_T")
_FIRST_WAIT = 1.0
_LONGEST_BACKOFF = 30.0


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    `connect` and `read` bound one call, `longest_wait` is the longest `Retry-After` that is slept, and `pull` bounds
    all that the pages of one pull take, pauses included.
    """

    attempts: int = 4
    connect: float = 5
    read: float = 30
    longest_wait: float = 60
    pull: float = 300
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def deadline(self) -> float:
        """When a pull that begins now must have ended, as `monotonic` counts."""
        return self.monotonic() + self.pull


class TryAgain(Exception):
    """A try failed in a way that may pass. `error` is what is raised in the end; `wait` is what Spotify asks for."""

    def __init__(self, error: SourceError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


def patiently(attempt: Callable[[], _T], patience: Patience, deadline: float) -> _T:
    """What `attempt` gives, which raises TryAgain where it is worth another one.

    Without a wait of Spotify's the pauses double from a second on; a random part of each keeps many clients from coming
    back at one instant.

    Raises:
        SourceError: what the last try failed with, after `patience.attempts`, or where the deadline leaves no time.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return attempt()
        except TryAgain as failure:
            if tries >= patience.attempts:
                raise failure.error from None
            wait = min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_BACKOFF) if failure.wait is None else failure.wait
            wait += random.uniform(0, _FIRST_WAIT)  # noqa: S311 - no secret
            if patience.monotonic() + wait > deadline:
                raise failure.error from None
            patience.sleep(wait)
