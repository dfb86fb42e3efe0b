"""The one place where everything meets: settings become ports, ports become resources, and the assets get them.

Dagster loads `defs` from here; the command line and tests call `build_definitions` with settings of their own.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from spotifriend_dagster.assets.catalog import catalog_asset
from spotifriend_dagster.assets.cleaned import history, plays, recent_asset
from spotifriend_dagster.assets.collected import collected_assets, pull_records
from spotifriend_dagster.assets.health import health
from spotifriend_dagster.assets.insights import insight_assets
from spotifriend_dagster.assets.music import features, genres
from spotifriend_dagster.assets.musicbrainz import musicbrainz
from spotifriend_dagster.assets.plays_on_glue import PlaysJob, plays_on_glue
from spotifriend_dagster.assets.quicksight import Dashboards, data_sets_asset
from spotifriend_dagster.assets.raw import streaming_history
from spotifriend_dagster.assets.reports import listening_summary
from spotifriend_dagster.assets.resources import Lake, MoreFacts
from spotifriend_dagster.assets.snapshots import snapshots_asset
from spotifriend_dagster.assets.specs import accepted_beta
from spotifriend_dagster.automation.channels import Channel, FileChannel, LogChannel, TopicChannel, WebhookChannel
from spotifriend_dagster.automation.failures import no_retry_of
from spotifriend_dagster.automation.freshness import kept_fresh
from spotifriend_dagster.automation.jobs import JOBS
from spotifriend_dagster.automation.schedules import SCHEDULES
from spotifriend_dagster.automation.sensors import SENSORS
from spotifriend_dagster.automation.usage import counting_executor
from spotifriend_dagster.checks.days import latest_closed_day
from spotifriend_dagster.checks.rules import rules_across_tables
from spotifriend_dagster.collecting.pulls import Spotify
from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.dialect.errors import SQLError
from spotifriend_dagster.lake.engine import DuckDBEngine
from spotifriend_dagster.lake.examination import Finding, examine_folder
from spotifriend_dagster.lake.forgetting import FolderLeftovers, Versions, Written
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.moving import fetch
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.lake.storage import FolderStorage, StoredDocument
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.partitions import days_from
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.service import QuickSight
from spotifriend_dagster.settings import Settings, SettingsError, load_settings
from spotifriend_dagster.sources.errors import PermanentError
from spotifriend_dagster.sources.musicbrainz import MusicBrainz
from spotifriend_dagster.sources.spotify.app import SpotifyApp
from spotifriend_dagster.sources.spotify.tokens import Secrets
from spotifriend_dagster.tables.insight import load_insights

if TYPE_CHECKING:
    from spotifriend_dagster.lake.aws import AwsClients

USER_FILES = "config"
"""The folder, in a lake that is no folder of this machine, of the files that people write themselves."""
ALERTS_FILE = "alerts.jsonl"
"""The file of the local home's alerts, beside those that people write."""


@dataclass(frozen=True)
class Home:
    """What differs between the two homes: the lake's ports, where secrets are, and where people write themselves.

    `user_file` gives a file by its name; `user_files` gives the folder of this machine in which they all are now;
    `examine` tests what the home needs; `channels` are told of problems; `versions` is what the storage keeps of
    objects that are gone, and `written` is of everybody, and outside of the lake: both hold what was to be forgotten;
    `usage` says what was asked of AWS since it was asked last.
    """

    lake: Lake
    secrets: Secrets
    listeners: ListenersFile
    user_file: Callable[[str], StoredDocument]
    user_files: Callable[[], Path]
    examine: Callable[[], Iterator[Finding]]
    channels: tuple[Channel, ...]
    versions: Versions
    written: tuple[Written, ...] = ()
    usage: Callable[[], Mapping[str, int]] = dict


def build_home(settings: Settings, deployment: str | None = None) -> Home:
    """The home that the settings name: the one place that asks which of the two it is.

    Nothing is asked of AWS yet.

    Args:
        settings: where each home is.
        deployment: another home than that of the settings.

    Raises:
        SettingsError: it is the aws home, and a setting that it needs is missing.
    """
    return build_aws_home(settings) if (deployment or settings.deployment) == "aws" else build_local_home(settings)


def build_local_home(settings: Settings) -> Home:
    """The home in a folder of this machine."""
    storage = FolderStorage(settings.lake)
    catalog_ = FolderCatalog(storage)
    return Home(
        lake=Lake(storage, catalog_, DuckDBEngine(storage, catalog_)),
        secrets=FolderSecrets(settings.secrets),
        listeners=ListenersFile(settings.listeners_file),
        user_file=partial(StoredDocument, FolderStorage(settings.home)),
        user_files=lambda: settings.home,
        examine=lambda: examine_folder(settings.home, settings.lake, settings.secrets),
        channels=(LogChannel(), FileChannel(settings.home / ALERTS_FILE), *_webhooks(settings)),
        versions=FolderLeftovers(settings.lake),
    )


def build_aws_home(settings: Settings) -> Home:
    """The home on S3, Glue, Athena and SSM. Only here are the libraries of AWS loaded.

    Raises:
        SettingsError: a setting that it needs is missing.
    """
    from spotifriend_dagster.lake.athena import AthenaEngine  # noqa: PLC0415 - heavy
    from spotifriend_dagster.lake.aws import AwsClients  # noqa: PLC0415
    from spotifriend_dagster.lake.aws_examination import AwsExamination  # noqa: PLC0415
    from spotifriend_dagster.lake.glue import GlueCatalog  # noqa: PLC0415
    from spotifriend_dagster.lake.in_process import IN_PROCESS_BYTES, ThriftyEngine  # noqa: PLC0415
    from spotifriend_dagster.lake.parameters import ParameterSecrets  # noqa: PLC0415
    from spotifriend_dagster.lake.s3 import S3Storage  # noqa: PLC0415
    from spotifriend_dagster.lake.s3_versions import S3Versions, query_results, run_logs  # noqa: PLC0415
    from spotifriend_dagster.lake.usage import Usage  # noqa: PLC0415

    aws = settings.aws
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")  # said by Lambda itself
    usage = Usage(int(memory) if memory else None)
    clients = AwsClients(aws.region, usage)
    storage = S3Storage(clients, aws.bucket, aws.prefix, aws.kms_key)
    catalog_ = GlueCatalog(clients, aws.glue_database)
    athena = AthenaEngine(clients, storage, catalog_, database=aws.glue_database, workgroup=aws.workgroup)
    engine = ThriftyEngine(athena, storage, catalog_, below_bytes=IN_PROCESS_BYTES)
    secrets = ParameterSecrets(clients, aws.parameter_prefix, aws.kms_key)
    return Home(
        lake=Lake(storage, catalog_, engine),
        secrets=secrets,
        listeners=ListenersFile(StoredDocument(storage, f"{USER_FILES}/{settings.listeners_file.name}")),
        user_file=lambda name: StoredDocument(storage, f"{USER_FILES}/{name}"),
        user_files=partial(fetch, storage, USER_FILES, settings.home / USER_FILES),
        examine=AwsExamination(clients, storage, catalog_, athena, secrets).findings,
        channels=(LogChannel(), *_topics(settings, clients), *_webhooks(settings)),
        versions=S3Versions(clients, aws.bucket, aws.prefix),
        written=(query_results(clients, aws.workgroup), run_logs(clients, aws.bucket)),
        usage=usage.taken,
    )


def _topics(settings: Settings, clients: "AwsClients") -> list[Channel]:
    return [TopicChannel(clients, settings.alert_topic)] if settings.alert_topic else []


def _webhooks(settings: Settings) -> list[Channel]:
    return [WebhookChannel(settings.alert_webhook)] if settings.alert_webhook else []


def build_lake(settings: Settings) -> Lake:
    """The lake of the home that the settings name."""
    return build_home(settings).lake


def build_app(settings: Settings) -> SpotifyApp:
    """The Spotify app that the settings name; one without a client id where they name none."""
    return SpotifyApp(
        client_id=settings.spotify_client_id,
        redirect_uri=settings.spotify_redirect_uri,
        api_url=settings.spotify_api_url + "/",
        accounts_url=settings.spotify_accounts_url,
    )


def build_secrets(settings: Settings) -> Secrets:
    """Where the home's secrets are."""
    return build_home(settings).secrets


def build_spotify(settings: Settings, home: Home | None = None) -> Spotify:
    """The Spotify side that the settings name."""
    secrets = home.secrets if home else build_secrets(settings)
    return Spotify(build_app(settings), secrets, settings.api_budget)


def build_more_facts(settings: Settings, home: Home | None = None) -> MoreFacts:
    """Where more is known of music than Spotify says."""
    contact = settings.musicbrainz_contact
    return MoreFacts((home or build_home(settings)).user_files, MusicBrainz(contact) if contact else None)


def build_dashboards(settings: Settings, home: Home | None = None) -> Dashboards | None:
    """The lake's part of QuickSight; None where it is not turned on, and for a lake in a folder, which it cannot read.

    Nothing is asked of QuickSight yet. Who sees whose rows is left open unless the home is given.

    Raises:
        SettingsError: a setting contradicts another, or listeners.toml cannot be read.
    """
    if settings.quicksight is None or settings.deployment != "aws":
        return None
    from spotifriend_dagster.lake.aws import AwsClients  # noqa: PLC0415 - heavy

    (account, owner), aws = settings.quicksight, settings.aws
    viewers = {person.id: person.quicksight for person in home.listeners.read().values()} if home else {}
    service = QuickSight(account, partial(AwsClients(aws.region).client, "quicksight"))
    return Dashboards(service, Place(account, aws.region, owner, aws.glue_database, aws.workgroup, viewers))


def build_plays_job(settings: Settings) -> PlaysJob | None:
    """The job of Glue's that unites plays; None where they are united in process, as they are of a lake in a folder."""
    if settings.glue_job is None or settings.deployment != "aws":
        return None
    from spotifriend_dagster.lake.aws import AwsClients  # noqa: PLC0415 - heavy

    return PlaysJob(settings.glue_job, settings.aws.bucket, AwsClients(settings.aws.region).client)


def build_definitions(
    settings: Settings,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    spotify: Spotify | None = None,
    home: Home | None = None,
) -> dg.Definitions:
    """The whole code location.

    Args:
        settings: which home, and where.
        loggers: what runs write their log to; Dagster's console by default.
        spotify: another Spotify side than that of the settings: one with a clock of its own.
        home: that of the settings, where it is built already.
    """
    home = home or build_home(settings)
    lake = home.lake
    days = days_from(settings.first_day)
    insights = insight_assets()
    with accepted_beta("backfill_policy"):
        collected, recent, snapshots = collected_assets(days), recent_asset(days), snapshots_asset(days)
    dashboards, plays_job = build_dashboards(settings), build_plays_job(settings)
    assets = [
        streaming_history,
        *collected,
        history,
        recent,
        plays_on_glue if plays_job else plays,
        snapshots,
        musicbrainz,
        genres,
        features,
        health,
        catalog_asset(settings.first_day),
        *insights,
        listening_summary,
        *([data_sets_asset(load_insights())] if dashboards else []),
    ]
    no_retry = no_retry_of((PermanentError, SettingsError, SQLError))
    return dg.Definitions(
        assets=[pull_records(days), *(kept_fresh(asset).with_hooks({no_retry}) for asset in assets)],
        asset_checks=[rules_across_tables, latest_closed_day],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={
            "lake": lake,
            "listeners": home.listeners,
            "spotify": spotify or build_spotify(settings, home),
            "more_facts": build_more_facts(settings, home),
            "table_io_manager": TableIOManager(lake.storage),
            "channels": home.channels,
            **({"dashboards": dashboards} if dashboards else {}),
            **({"plays_job": plays_job} if plays_job else {}),
        },
        executor=counting_executor(home.usage),  # a process for each step would cost two seconds each
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of this process's settings, built when Dagster asks for it."""
    return build_definitions(load_settings())
