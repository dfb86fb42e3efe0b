"""The one place where everything meets: settings become ports, ports become resources, and the assets get them.

Dagster loads `defs` from here; the command line and tests call `build_definitions` with settings of their own.
"""

from collections.abc import Mapping

import dagster as dg

from spotifriend_dagster.assets.catalog import catalog
from spotifriend_dagster.assets.cleaned import history, plays, recent_asset
from spotifriend_dagster.assets.collected import collected_assets, pull_records
from spotifriend_dagster.assets.insights import insight_assets
from spotifriend_dagster.assets.music import features, genres
from spotifriend_dagster.assets.musicbrainz import musicbrainz
from spotifriend_dagster.assets.raw import streaming_history
from spotifriend_dagster.assets.reports import listening_summary
from spotifriend_dagster.assets.resources import Lake, MoreFacts
from spotifriend_dagster.assets.snapshots import snapshots_asset
from spotifriend_dagster.assets.specs import accepted_beta
from spotifriend_dagster.automation.jobs import JOBS
from spotifriend_dagster.automation.schedules import SCHEDULES
from spotifriend_dagster.checks.rules import rules_across_tables
from spotifriend_dagster.collecting.pulls import Spotify
from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.engine import DuckDBEngine
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.settings import ListenersFile, Settings, load_settings
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.sources.spotify.app import SpotifyApp


def build_lake(settings: Settings) -> Lake:
    """The lake of the home that the settings name."""
    storage = FolderStorage(settings.lake)
    catalog_ = FolderCatalog(storage)
    return Lake(storage, catalog_, DuckDBEngine(storage, catalog_))


def build_app(settings: Settings) -> SpotifyApp:
    """The Spotify app that the settings name; one without a client id where they name none."""
    return SpotifyApp(
        client_id=settings.spotify_client_id,
        redirect_uri=settings.spotify_redirect_uri,
        api_url=settings.spotify_api_url + "/",
        accounts_url=settings.spotify_accounts_url,
    )


def build_secrets(settings: Settings) -> FolderSecrets:
    """Where the home's secrets are."""
    return FolderSecrets(settings.secrets)


def build_spotify(settings: Settings) -> Spotify:
    """The Spotify side that the settings name."""
    return Spotify(build_app(settings), build_secrets(settings), settings.api_budget)


def build_more_facts(settings: Settings) -> MoreFacts:
    """Where more is known of music than Spotify says."""
    contact = settings.musicbrainz_contact
    return MoreFacts(settings.genres_file, settings.home, MusicBrainz(contact) if contact else None)


def build_definitions(
    settings: Settings,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    spotify: Spotify | None = None,
) -> dg.Definitions:
    """The whole code location.

    Args:
        settings: which home, and where.
        loggers: what runs write their log to; Dagster's console by default.
        spotify: another Spotify side than that of the settings: one with a clock of its own.
    """
    lake = build_lake(settings)
    days = days_from(settings.first_day)
    insights = insight_assets()
    with accepted_beta("backfill_policy"):
        collected, recent, snapshots = collected_assets(days), recent_asset(days), snapshots_asset(days)
    return dg.Definitions(
        assets=[
            streaming_history,
            *collected,
            pull_records(days),
            history,
            recent,
            plays,
            snapshots,
            musicbrainz,
            genres,
            features,
            catalog,
            *insights,
            listening_summary,
        ],
        asset_checks=[rules_across_tables],
        jobs=JOBS,
        schedules=SCHEDULES,
        resources={
            "lake": lake,
            "listeners": ListenersFile(settings.listeners_file),
            "spotify": spotify or build_spotify(settings),
            "more_facts": build_more_facts(settings),
            "table_io_manager": TableIOManager(lake.storage),
        },
        executor=dg.in_process_executor,  # a process for each step costs two seconds each
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of this process's settings, built when Dagster asks for it."""
    return build_definitions(load_settings())
