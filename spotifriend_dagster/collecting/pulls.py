"""Pulling: one source after the other is asked for one listener, its answers are kept, and a record says what came.

What is asked is in `sources.py`. Nothing that goes wrong outside is raised here: it is in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from spotifriend_dagster.collecting.needs import Needs
from spotifriend_dagster.collecting.plans import DENIED_FOR, calls_left, news_of_page, stop_in_force
from spotifriend_dagster.collecting.records import Outcome, PullLog, PullRecord
from spotifriend_dagster.collecting.sources import Asking, Source
from spotifriend_dagster.lake.pulls import last_pull, read_pull, write_pull
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.sources.errors import SourceError
from spotifriend_dagster.sources.spotify.app import SpotifyApp
from spotifriend_dagster.sources.spotify.client import Answer, SpotifyClient, open_client
from spotifriend_dagster.sources.spotify.errors import (
    Denied,
    Forbidden,
    NoApp,
    NotAllowListed,
    NotSignedIn,
    OverBudget,
    PremiumNeeded,
    PullStopped,
    SignInError,
)
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.tokens import Secrets, consent_days_left, read_token
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

CLOCK_IS_WRONG = timedelta(minutes=5)
"""From here on, a clock is wrong: an answer takes seconds, and clocks that are kept in time differ by less than one."""
_ENDS_ALL = (NoApp, SignInError, PullStopped, NotAllowListed, PremiumNeeded)
"""What is so of every source of the listener: asking for the next one would be a call in vain."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Spotify:
    """The Spotify side: which app asks, where tokens are, and how many calls a listener has a UTC day."""

    app: SpotifyApp
    secrets: Secrets
    budget: int
    now: Callable[[], datetime] = _now
    patience: Patience = field(default_factory=Patience)

    def consent_days_left(self, listener: str) -> int | None:
        """Whole days until the listener's consent ends; None where it has ended, or no token of theirs can be read."""
        try:
            token = read_token(self.secrets, listener)
        except NotSignedIn:
            return None
        return None if token is None or token.ended_at else consent_days_left(token, self.now())

    def is_signed_in(self, listener: str) -> bool:
        """Whether the listener ever signed in, and did not sign out. That their token still works is another matter."""
        try:
            return read_token(self.secrets, listener) is not None
        except NotSignedIn:  # there is one that cannot be read: asking says so
            return True


@dataclass(frozen=True)
class Pulled:
    """What became of one source of one listener: the record, what was kept, and how many calls are left today.

    `rows` counts the items of all pages; `is_repeated` where nothing was asked because of what an earlier pull met;
    `refused` is what was denied beside what was answered; `news` says more, where there is more to say.
    """

    record: PullRecord
    key: str | None
    rows: int
    budget_left: int
    is_repeated: bool = False
    refused: Collection[str] = ()
    news: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """Pulls sources for listeners, one after the other, within one run."""

    def __init__(self, spotify: Spotify, storage: Storage, listeners: Collection[str]) -> None:
        """A collector for `listeners`, by id, of whom any may have met a stop that holds for all."""
        self._spotify = spotify
        self._storage = storage
        self._logs = {listener: PullLog(storage, listener, spotify.now()) for listener in listeners}

    def expected(self) -> list[str]:
        """The listeners who are signed in, or whose plays were collected within the last month."""
        now = self._spotify.now()
        return [
            listener
            for listener in self._logs
            if self._spotify.is_signed_in(listener) or last_pull(self._storage, RECENTLY_PLAYED, listener, now)
        ]

    def pull(self, listener: str, sources: Collection[Source]) -> Iterator[tuple[Source, Pulled]]:
        """Pull the sources in their order. What ends one that is not its own ends those that follow, without a call."""
        log = self._logs[listener]
        client = _LazyClient(self._spotify, listener, log)
        needs = Needs(self._storage, listener, self._spotify.now())
        try:
            for source in sources:
                yield source, self._pull(listener, source, client, needs)
        finally:  # an interrupt, too, leaves the records of what came before it
            log.write()

    def _pull(self, listener: str, source: Source, client: _LazyClient, needs: Needs) -> Pulled:
        log, now = self._logs[listener], self._spotify.now()
        latest = log.latest(source.name)
        before = PullRecord(source.name, now, "complete", remembered=dict(latest.remembered) if latest else {})
        if repeated := self._not_now(source, latest, now):
            record = replace(before, outcome=repeated.outcome, message=repeated.message, retry_at=repeated.retry_at)
            log.add(record)
            return Pulled(record, None, 0, client.left_today(), is_repeated=True)
        asking = Asking(listener, self._storage, needs, now, lambda: client.open(source), dict(before.remembered))
        page_before = self._page_before(listener, source, now, before.remembered.get("page"))
        calls, retries = client.counts()
        answers: list[Answer] = []
        ending = _Ending("complete")
        key = None
        try:
            client.check()
            for answer in source.ask(asking):
                answers.append(answer)  # noqa: PERF402 - one by one: what came before an error is kept
        except Exception as error:
            client.note(error)
            ending = _ending(error, source, now)
        finally:  # an interrupt, too, leaves what came before it
            if answers:
                pages = [(answer.endpoint, answer.body) for answer in answers]
                key = write_pull(self._storage, source.table, listener, client.now(), pages)
        calls_after, retries_after = client.counts()
        if source.is_poll and key:
            asking.remembered["page"] = key
        record = PullRecord(
            source=source.name,
            pulled_at=self._spotify.now(),
            outcome=ending.outcome,
            calls=calls_after - calls,
            retries=retries_after - retries,
            message=ending.message,
            retry_at=ending.retry_at,
            remembered=asking.remembered,
            clock_off=client.clock_off() if calls_after > calls else None,
        )
        log.add(record)
        rows = sum(_rows(answer.body) for answer in answers)
        news = _news(answers, page_before) if source.is_poll and answers else {}
        return Pulled(record, key, rows, client.left_today(), refused=asking.refused, news=news)

    def _not_now(self, source: Source, latest: PullRecord | None, now: datetime) -> PullRecord | None:
        """The record that says why the source is not asked now; None where it is."""
        if latest and latest.outcome == "denied" and latest.retry_at and latest.retry_at > now:
            return latest
        stops = (stop for log in self._logs.values() for stop in log.stops())
        return stop_in_force(stops, source.name, now, is_poll=source.is_poll)

    def _page_before(self, listener: str, source: Source, now: datetime, key: str | None) -> Any:
        """The page of the poll before, by its key as far as that is known; None where it cannot be read, or is old."""
        if not source.is_poll or not (key := key or last_pull(self._storage, source.table, listener, now)):
            return None
        try:
            return next((answer.body() for answer in read_pull(self._storage, key)), None)
        except Exception:  # what the last poll was is for people; this one is for good
            return None


class _LazyClient:
    """The listener's client, opened when something is to be asked; what ended it ends every later source as well."""

    def __init__(self, spotify: Spotify, listener: str, log: PullLog) -> None:
        self._spotify = spotify
        self._listener = listener
        self._log = log
        self._client: SpotifyClient | None = None
        self._ended: Exception | None = None

    def open(self, source: Source) -> SpotifyClient:
        self.check()
        if self._client is None:
            spotify = self._spotify
            try:
                self._client = open_client(
                    spotify.app,
                    spotify.secrets,
                    self._listener,
                    budget=calls_left(spotify.budget, self._log.calls_today(), spotify.now(), is_poll=source.is_poll),
                    now=spotify.now,
                    patience=spotify.patience,
                )
            except Exception as error:
                self._ended = error
                raise
        return self._client

    def check(self) -> None:
        if self._ended is not None:
            raise self._ended

    def note(self, error: Exception) -> None:
        if isinstance(error, _ENDS_ALL):
            self._ended = error

    def counts(self) -> tuple[int, int]:
        return (self._client.calls, self._client.retries) if self._client else (0, 0)

    def clock_off(self) -> int | None:
        off = self._client.clock_off if self._client else None
        return None if off is None else round(off.total_seconds())

    def now(self) -> datetime:
        """Now, by Spotify's clock where this machine's is wrong: by it, pages have their order."""
        off = timedelta(seconds=self.clock_off() or 0)
        return self._spotify.now() - (off if abs(off) >= CLOCK_IS_WRONG else timedelta())

    def left_today(self) -> int:
        return max(self._spotify.budget - self._log.calls_today(), 0)


class _Ending(NamedTuple):
    outcome: Outcome
    message: str | None = None
    retry_at: datetime | None = None


def _ending(error: Exception, source: Source, now: datetime) -> _Ending:
    """What an error makes of a pull. The budget is counted anew each time, so it leaves nothing to remember."""
    match error:
        case OverBudget():
            return _Ending("stopped", str(error))
        case PullStopped():
            return _Ending("stopped", str(error), error.retry_at)
        case Forbidden() if source.is_denied_for_long:
            return _Ending("denied", str(error), now + DENIED_FOR)
        case Denied():
            return _Ending("denied", str(error))
        case SourceError():
            return _Ending("failed", str(error))
        case _:
            return _Ending("failed", f"{type(error).__name__}: {error}")


def _rows(body: Any) -> int:
    """How many things a page holds: its items, or itself."""
    if not isinstance(body, dict):
        return 0
    for page in (body, body.get("artists")):
        if isinstance(page, dict) and isinstance(items := page.get("items"), list):
            return len(items)
    features = body.get("audio_features")
    return len(features) if isinstance(features, list) else 1


def _news(answers: list[Answer], before: Any) -> dict[str, Any]:
    news = news_of_page(answers[0].body, before)
    return {"new_plays": news.new_plays, "gap": news.gap}
