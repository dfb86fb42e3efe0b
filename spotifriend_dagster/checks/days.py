"""Whether each day was collected: Dagster's own freshness looks at assets as a whole, not at their days or listeners.

What else holds across tables is in `rules.py`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.collecting.pulls import Spotify
from spotifriend_dagster.lake.pulls import last_pull, pulls_of_day
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

CLOSED_DAY = "latest_closed_day_is_there"


def without_closed_day(storage: Storage, listeners: Iterable[str], now: datetime) -> list[str]:
    """The listeners who were polled in the month before yesterday (UTC), but not on it."""
    yesterday = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return [
        listener
        for listener in listeners
        if not pulls_of_day(storage, RECENTLY_PLAYED, listener, yesterday.date())
        and last_pull(storage, RECENTLY_PLAYED, listener, yesterday)
    ]


@dg.asset_check(
    name=CLOSED_DAY,
    asset=asset_key(RECENTLY_PLAYED),
    description="Everybody who is signed in was polled on the latest day that is over.",
)
def latest_closed_day(
    lake: dg.ResourceParam[Lake], listeners: dg.ResourceParam[Listeners], spotify: dg.ResourceParam[Spotify]
) -> dg.AssetCheckResult:
    """Judged by each poll: the first one after a machine was off tells of the day that it slept through."""
    signed_in = [listener for listener in listeners.read() if spotify.is_signed_in(listener)]
    now = spotify.now()
    missing = without_closed_day(lake.storage, signed_in, now)
    day = f"{now - timedelta(days=1):%Y-%m-%d}"
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,  # it cannot be collected any more; an export can bring it
        metadata={listener: dg.MetadataValue.text(f"Nothing was collected on {day}.") for listener in missing},
    )
