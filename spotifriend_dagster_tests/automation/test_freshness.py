"""What Dagster's UI says of age: late is late, and what is on time is never called late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.definitions import build_definitions
from spotifriend_dagster.settings import Settings
from spotifriend_dagster.tables.raw import API_PULLS, COLLECTED_TABLES, RECENTLY_PLAYED


def test_what_is_collected_by_a_schedule_has_a_policy_that_fits_it(tmp_path: Path) -> None:
    """An hour and a day, and the time that a run takes: less would cry wolf, much more would be silent."""
    specs = build_definitions(Settings(home=tmp_path)).resolve_all_asset_specs()
    policies = {spec.key: spec.freshness_policy for spec in specs if spec.freshness_policy}
    by_schedule = {asset_key(table) for table in COLLECTED_TABLES if table is not API_PULLS}
    assert by_schedule <= policies.keys()
    assert {key.path[0] for key in policies} == {"raw", "cleaned", "rejects"}
    for key, policy in policies.items():
        assert isinstance(policy, TimeWindowFreshnessPolicy)
        every = timedelta(hours=1) if key == asset_key(RECENTLY_PLAYED) else timedelta(days=1)
        assert every + timedelta(minutes=30) < policy.warn_window.to_timedelta() < 2.5 * every
        assert policy.warn_window.to_timedelta() < policy.fail_window.to_timedelta()


def test_what_follows_from_what_is_collected_has_none(tmp_path: Path) -> None:
    """A lake of one export, imported a year ago, is as fresh as it can be."""
    specs = {spec.key: spec for spec in build_definitions(Settings(home=tmp_path)).resolve_all_asset_specs()}
    assert specs[dg.AssetKey(["cleaned", "plays"])].freshness_policy is None
    assert specs[dg.AssetKey(["insights", "sessions"])].freshness_policy is None
