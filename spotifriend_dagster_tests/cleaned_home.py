"""A home that is collected from a simulated Spotify and cleaned, without insights: in a fifth of a rebuild's time."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import dagster as dg
import pandas as pd

from spotifriend_dagster.assets.catalog import catalog_asset, catalog_key
from spotifriend_dagster.assets.cleaned import history, plays, recent_asset
from spotifriend_dagster.assets.collected import collected_assets, pull_records
from spotifriend_dagster.assets.music import features, genres
from spotifriend_dagster.assets.musicbrainz import musicbrainz
from spotifriend_dagster.assets.raw import streaming_history
from spotifriend_dagster.assets.snapshots import snapshots_asset
from spotifriend_dagster.assets.specs import accepted_beta
from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, RunOutcome, progress_logger, run_job
from spotifriend_dagster.definitions import build_more_facts
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.tables.cleaned import PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.snapshots import ARTISTS, TRACKS
from spotifriend_dagster_tests.collected_home import CollectedHome


class CleaningHome(CollectedHome):
    """A home that is collected and cleaned, without insights."""

    musicbrainz: MusicBrainz | None = None
    earlier: dict[Table, pd.DataFrame]
    """What the tables were after the first collection."""

    def clean(self, job: str = "clean") -> RunOutcome:
        """Clean the simulated day and all that is made of it, or ask MusicBrainz (`look_up`)."""
        outcome = run_job(self._cleaning, job, self.instance, days=[self.today] if job == "clean" else [])
        assert outcome.success, outcome.failures
        return outcome

    def table(self, table: Table, listener: str = "robin") -> pd.DataFrame:
        """A listener's rows."""
        return StoredTable(self.lake.storage, table).frame(listener)

    @cached_property
    def _cleaning(self) -> dg.Definitions:
        days = days_from(self.settings.first_day)
        catalog = catalog_asset(self.settings.first_day)
        with accepted_beta("backfill_policy"):
            daily = [recent_asset(days), snapshots_asset(days)]
        cleaned = [*daily, history, plays, genres, features, catalog]
        catalogued = dg.AssetSelection.assets(catalog)
        named = dg.AssetSelection.assets(*map(catalog_key, (PLAYS, RECENT_PLAYS, TRACKS, ARTISTS)))
        return dg.Definitions(
            assets=[streaming_history, *collected_assets(days), pull_records(days), *cleaned, musicbrainz],
            jobs=[
                dg.define_asset_job("clean", dg.AssetSelection.assets(*cleaned) - catalogued | named),
                dg.define_asset_job("look_up", dg.AssetSelection.assets(musicbrainz)),
            ],
            resources={
                "lake": self.lake,
                "listeners": self.listeners,
                "spotify": self.spotify,
                "more_facts": replace(build_more_facts(self.settings), musicbrainz=self.musicbrainz),
                "table_io_manager": TableIOManager(self.lake.storage),
            },
            executor=dg.in_process_executor,
            loggers={PROGRESS_LOGGER: progress_logger(lambda _step, _ended: None)},
        )
