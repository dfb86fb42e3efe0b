"""The raw asset of MusicBrainz's answers. What is asked, and what answers mean, is in `cleaning/musicbrainz.py`.

Like the look-ups of Spotify's catalogue it takes its names from cleaned plays: the one loop in the way of the data.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandas as pd

from spotifriend_dagster.assets.resources import Lake, MoreFacts
from spotifriend_dagster.assets.specs import (
    OWNERS,
    asset_key,
    every_listener_check,
    every_listener_result,
    table_metadata,
)
from spotifriend_dagster.assets.uniting import each_listener
from spotifriend_dagster.cleaning.genres import credits_of, unknown_artists
from spotifriend_dagster.cleaning.musicbrainz import known_answers, next_question
from spotifriend_dagster.lake.pulls import write_pull
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.sources.errors import SourceError
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.sources.user_files import read_genres
from spotifriend_dagster.tables.cleaned import PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.raw import MUSICBRAINZ
from spotifriend_dagster.tables.snapshots import ARTISTS, TRACKS

REQUESTS_PER_RUN = 300  # five minutes; what is not asked today is asked tomorrow
_ANSWERS_PER_OBJECT = 50  # what an interrupted run loses at most
_KEY = asset_key(MUSICBRAINZ)
MUSICBRAINZ_IS_OFF = "MusicBrainz is off: set SPOTIFRIEND_MUSICBRAINZ_CONTACT to your e-mail address to turn it on."
EVERYTHING_ANSWERED = "everything_answered"


@dg.asset(
    key=_KEY,
    group_name="raw",
    kinds={"musicbrainz", "json"},
    owners=OWNERS,
    description=MUSICBRAINZ.description,
    metadata=table_metadata(MUSICBRAINZ),
    check_specs=[
        every_listener_check(_KEY),
        dg.AssetCheckSpec(EVERYTHING_ANSWERED, asset=_KEY, description="MusicBrainz answered what it was asked."),
    ],
)
def musicbrainz(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], more_facts: dg.ResourceParam[MoreFacts]
) -> Iterator[Any]:
    """Ask about artists without genres, the most listened to first; what was answered is not asked again."""
    failures: dict[str, str] = {}
    stopped: str | None = None
    if more_facts.musicbrainz is None:
        yield dg.MaterializeResult(metadata={"off": MUSICBRAINZ_IS_OFF})
    else:
        own = read_genres(more_facts.user_files() / "genres.csv").rows
        asking = _Asking(lake.storage, more_facts.musicbrainz, own)
        present = StoredTable(lake.storage, PLAYS).listeners()
        left = dict(each_listener(present, asking.ask_for, failures, context.log))
        stopped = asking.stopped
        yield dg.MaterializeResult(
            metadata={
                "requests": asking.requests,
                "answers": asking.answers,
                "artists_left": dg.MetadataValue.json(left),
                **({} if stopped is None else {"stopped": stopped}),
            }
        )
    yield every_listener_result(_KEY, failures)
    yield dg.AssetCheckResult(
        check_name=EVERYTHING_ANSWERED,
        passed=stopped is None,
        severity=dg.AssetCheckSeverity.WARN,  # the next run goes on from here
        metadata={} if stopped is None else {"message": stopped},
    )


class _Asking:
    """One run's questions, for one listener after the other: bounded in all, and ended by the first error outside."""

    def __init__(self, storage: Storage, client: MusicBrainz, user: pd.DataFrame) -> None:
        self._storage = storage
        self._client = client
        self._user = user
        self._requests_before = client.requests
        self.stopped: str | None = None
        self.answers = 0

    @property
    def requests(self) -> int:
        """How many requests this run made, repeated ones included."""
        return self._client.requests - self._requests_before

    def ask_for(self, listener: str) -> int:
        """Ask about a listener's artists; gives how many are left."""
        tables = (PLAYS, RECENT_PLAYS, TRACKS, ARTISTS, MUSICBRAINZ)
        plays, recent, tracks, artists, received = (
            StoredTable(self._storage, table).frame(listener) for table in tables
        )
        wanted = unknown_artists(credits_of(plays, recent, tracks), artists, self._user)
        answers = known_answers(received)
        new: list[tuple[str, Any]] = []
        try:
            for artist, isrcs in wanted.items():
                while self._may_ask and (question := next_question(artist, isrcs, answers)) is not None:
                    answers[question] = self._client.ask(question)
                    new.append((question, answers[question]))
                    if len(new) == _ANSWERS_PER_OBJECT:
                        self._keep(listener, new)
        except SourceError as error:
            self.stopped = str(error)
        finally:
            self._keep(listener, new)
        return sum(next_question(artist, isrcs, answers) is not None for artist, isrcs in wanted.items())

    @property
    def _may_ask(self) -> bool:
        return self.stopped is None and self.requests < REQUESTS_PER_RUN

    def _keep(self, listener: str, new: list[tuple[str, Any]]) -> None:
        if new:
            write_pull(self._storage, MUSICBRAINZ, listener, datetime.now(UTC), new)
            self.answers += len(new)
            new.clear()
