"""A home whose listeners are signed in to a simulated Spotify, with its clock for theirs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.collected import collected_assets
from spotifriend_dagster.assets.specs import accepted_beta, asset_key
from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, RunOutcome, progress_logger, run_job
from spotifriend_dagster.collecting.pulls import Spotify
from spotifriend_dagster.collecting.sources import DAILY, POLL, Source
from spotifriend_dagster.definitions import build_app, build_definitions, build_secrets
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster.lake.pulls import StoredAnswer, object_name, read_pull
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.sources.spotify.app import SCOPES
from spotifriend_dagster.sources.spotify.patience import Patience
from spotifriend_dagster.sources.spotify.tokens import Token, write_token
from spotifriend_dagster.tables.raw import API_PULLS
from spotifriend_dagster_tests.conftest import Home

_SILENT = {PROGRESS_LOGGER: progress_logger(lambda _step, _ended: None)}


class CollectedHome(Home):
    """Jobs over a simulated Spotify. Nobody waits: what is to be slept is not."""

    def __init__(self, path: Path, server: SimulatedSpotify, budget: int = 300) -> None:
        super().__init__(path)
        self.server = server
        self.settings = Settings(
            home=path,
            spotify_client_id=server.client_id,
            spotify_api_url=server.api_url,
            spotify_accounts_url=server.accounts_url,
            api_budget=budget,
        )
        self.spotify = Spotify(
            build_app(self.settings),
            build_secrets(self.settings),
            budget,
            server.clock,
            Patience(sleep=lambda _seconds: None),
        )

    def add(self, listener: str) -> None:
        """Name a listener, without signing them in."""
        self.listeners.add(listener, listener.title(), self.server.listeners[listener].truth.zones)

    def sign_in(self, listener: str, scopes: Collection[str] = tuple(SCOPES)) -> None:
        """Sign in a listener, who is named where they are not yet."""
        if listener not in self.listeners.read():
            self.add(listener)
        said = self.server.consent(listener, scopes)
        now = self.server.clock()
        token = Token(
            access_token=said["access_token"],
            refresh_token=said["refresh_token"],
            expires_at=now + timedelta(seconds=said["expires_in"]),
            authorized_at=now,
            scopes=frozenset(scopes),
            account_id=self.server.listeners[listener].account_id,
            client_id=self.server.client_id,
        )
        write_token(self.spotify.secrets, listener, token)

    @property
    def today(self) -> str:
        """The simulated day."""
        return f"{self.server.clock():%Y-%m-%d}"

    def run(self, job: str, days: list[str] | None = None, config: dict[str, Any] | None = None) -> RunOutcome:
        """Run a job with the simulated clock."""
        definitions = self._collecting if job in ("poll", "collect") else self._whole
        return run_job(definitions, job, self.instance, config=config, days=days or [])

    @cached_property
    def _whole(self) -> dg.Definitions:
        return build_definitions(self.settings, loggers=_SILENT, spotify=self.spotify)

    @cached_property
    def _collecting(self) -> dg.Definitions:
        """What collects alone: it is made in a tenth of the time."""
        with accepted_beta("backfill_policy"):
            assets = collected_assets(days_from(self.settings.first_day))
        return dg.Definitions(
            assets=assets,
            jobs=[_job("poll", POLL), _job("collect", *DAILY)],
            resources={"lake": self.lake, "listeners": self.listeners, "spotify": self.spotify},
            executor=dg.in_process_executor,
            loggers=_SILENT,
        )

    def collect(self, job: str = "poll") -> RunOutcome:
        """Run `poll` or `collect` for the simulated day; no fault of Spotify's makes it fail."""
        outcome = self.run(job, [self.today])
        assert outcome.success, outcome.failures
        return outcome

    def answers(self, table: str, listener: str = "robin") -> list[StoredAnswer]:
        """What was kept of a listener in a raw table, oldest first."""
        keys = sorted(self.objects(table, listener), key=object_name)
        return [answer for key in keys for answer in read_pull(self.lake.storage, key)]

    def objects(self, table: str, listener: str = "robin") -> list[str]:
        """The keys of the objects of a raw table."""
        return [stored.key for stored in self.lake.storage.list(f"raw/{table}/listener={listener}")]

    def records(self, source: str, listener: str = "robin") -> list[dict[str, Any]]:
        """The records of a source's pulls, oldest first."""
        answers = self.answers(API_PULLS.name.removeprefix("raw_"), listener)
        return [said for answer in answers if (said := json.loads(answer.payload))["source"] == source]

    def asked(self) -> list[str]:
        """The paths of the Web API that were asked since the last time that this was."""
        paths = [request.path for request in self.server.requests if request.path.startswith("/v1/")]
        self.server.requests.clear()
        return paths

    def evaluations(self, table: str) -> dict[str, dg.AssetCheckEvaluation]:
        """The latest evaluation of each check of a raw table."""
        key = dg.AssetKey(["raw", table])
        found = {}
        for name in ("every_listener", "nothing_withheld"):
            latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(
                [dg.AssetCheckKey(key, name)]
            )
            for check, record in latest.items():
                found[check.name] = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        return found


def _job(name: str, *sources: Source) -> Any:
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*(asset_key(one.table) for one in sources)))


@contextmanager
def simulated(truths: dict[str, Truth], at: datetime, dialect: Dialect = "development") -> Iterator[SimulatedSpotify]:
    """A simulated Spotify whose clock stands still at an instant."""
    with SimulatedSpotify(truths, dialect, Clock(at, pace=0)) as server:
        yield server
