"""The two homes side by side: the same listener, the same export, the same simulated Spotify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.automation.runs import PROGRESS_LOGGER, range_tags
from spotifriend_dagster.automation.staleness import stale_days
from spotifriend_dagster.collecting.pulls import Spotify
from spotifriend_dagster.definitions import build_app, build_home
from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.spotify import SimulatedSpotify
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster_tests.aws.server import BUCKET, REGION
from spotifriend_dagster_tests.collected_home import CollectedHome

LISTENER = "robin"
EXPORTED_UNTIL = datetime(2025, 3, 12, tzinfo=UTC)
SIGNED_IN = datetime(2025, 3, 20, 2, 41, tzinfo=UTC)
HOUR = timedelta(hours=1)


class AwsHome(CollectedHome):
    """A home in the tests' AWS; its folder holds what belongs to this machine alone."""

    def __init__(self, path: Path, server: SimulatedSpotify) -> None:
        super().__init__(path, server)
        self.settings = self.settings.model_copy(update={"deployment": "aws", "region": REGION, "bucket": BUCKET})
        home = build_home(self.settings)
        self.lake, self.listeners = home.lake, home.listeners
        of_folder = self.spotify
        self.spotify = Spotify(build_app(self.settings), home.secrets, 300, of_folder.now, of_folder.patience)


@lru_cache
def truth() -> Truth:
    """What the listener really played, in eight weeks."""
    return simulate(21, start=date(2025, 2, 1), years=57 / 365.25, plays_per_day=30)


def collect_and_answer(home: CollectedHome, folder: Path) -> None:
    """An export, snapshots of a night, polls of a day; then everything that is made of them."""
    export = folder / "export.zip"
    if not export.exists():
        write_export(truth(), export, era="2025", cutoff=EXPORTED_UNTIL)
    home.server.clock.set(SIGNED_IN)
    home.sign_in(LISTENER)
    config = {"ops": {"raw__streaming_history": {"config": {"path": str(export), "listener": LISTENER}}}}
    run_only(home, "import_export", [asset_key(STREAMING_HISTORY)], config=config)
    home.collect("collect")
    for _ in range(3):
        home.collect("poll")
        home.server.clock.advance(8 * HOUR)
    rebuilt = home.rebuild()
    assert rebuilt.success, rebuilt.failures


def run_only(
    home: CollectedHome,
    job: str,
    assets: Sequence[dg.AssetKey],
    config: Mapping[str, Any] | None = None,
    days: Sequence[str] = (),
) -> None:
    """Run some assets of a job to their good end."""
    ended = home._whole.resolve_job_def(job).execute_in_process(
        run_config={**(config or {}), "loggers": {PROGRESS_LOGGER: {}}},
        instance=home.instance,
        asset_selection=assets,
        tags=range_tags(days) if days else {},
    )
    assert ended.success


def rebuild_only(home: CollectedHome, assets: Sequence[dg.AssetKey]) -> None:
    """Run some assets of the rebuild, for the days that need it."""
    run_only(home, "rebuild", assets, days=stale_days(home.lake.storage) or [home.today])
