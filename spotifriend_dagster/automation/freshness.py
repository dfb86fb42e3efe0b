"""How old an asset may grow before Dagster's UI says so: what its schedule promises, and some patience.

Dagster looks at an asset as a whole. Whether a day of a listener is there is judged in `checks/days.py`; what is made
when something was collected has no age of its own: a lake of exports alone is as fresh after a year.
"""

from datetime import timedelta

import dagster as dg

from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.raw import API_PULLS, COLLECTED_TABLES, RECENTLY_PLAYED
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS

_HOURLY = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=2), fail_window=timedelta(hours=3))
_DAILY = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=36))
_BY_NIGHT = (*COLLECTED_TABLES, RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS, *DAILY_SNAPSHOTS)

POLICIES: dict[dg.AssetKey, dg.FreshnessPolicy] = {
    **{asset_key(table): _DAILY for table in _BY_NIGHT if table is not API_PULLS},
    asset_key(RECENTLY_PLAYED): _HOURLY,
}
"""By asset how old it may grow; of one that was never made, Dagster says nothing."""


def kept_fresh(assets: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The assets with the policies of those that have one."""
    if not POLICIES.keys() & assets.keys:
        return assets
    return assets.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=POLICIES.get(spec.key)))
