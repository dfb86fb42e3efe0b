"""The daily tables of what the Web API says beside plays, and what is known of artists and tracks from all sources.

Every rule they apply is in `cleaning/`, as a pure function of one listener.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd

from spotifriend_dagster.assets.cleaned import table_ins, table_outs
from spotifriend_dagster.assets.specs import (
    Audits,
    asset_key,
    declaration_check,
    every_listener_check,
    every_listener_result,
    unknown_fields_check,
    unknown_fields_result,
)
from spotifriend_dagster.assets.uniting import each_listener
from spotifriend_dagster.cleaning.snapshot_sources import SNAPSHOT_SOURCES
from spotifriend_dagster.cleaning.snapshots import CleanedSnapshots, clean_snapshots
from spotifriend_dagster.lake.io_managers import Part
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS, SNAPSHOT_PULLS, SNAPSHOT_REJECTS


def snapshots_asset(days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The assets of what the Web API says beside plays, by day of collection: one step, for they read each other."""

    @dg.multi_asset(
        name="snapshots",
        ins=table_ins(*(source.raw for source in SNAPSHOT_SOURCES)),
        outs=table_outs(*DAILY_SNAPSHOTS),
        check_specs=[
            *map(declaration_check, DAILY_SNAPSHOTS),
            every_listener_check(asset_key(SNAPSHOT_PULLS)),
            unknown_fields_check(asset_key(SNAPSHOT_PULLS)),
        ],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def snapshots(context: dg.AssetExecutionContext, **raw: StoredTable) -> Iterator[Any]:
        """Type what a day's pulls brought; the day's last answer counts. A source that was not asked has no file."""
        failures: dict[str, str] = {}
        unknown_fields: set[str] = set()
        parts: dict[Table, list[Part]] = {table: [] for table in DAILY_SNAPSHOTS}
        now = pd.Timestamp.now("UTC")

        def clean(listener: str) -> dict[str, CleanedSnapshots]:
            received: dict[str, dict[str, pd.DataFrame]] = {}
            for name, stored in raw.items():
                for day, frame in stored.frames(listener).items():
                    received.setdefault(day, {})[name] = frame
            return {day: clean_snapshots(frames, date.fromisoformat(day), now) for day, frames in received.items()}

        present = sorted({listener for stored in raw.values() for listener in stored.listeners()})
        for listener, cleaned_days in each_listener(present, clean, failures, context.log):
            for day, cleaned in cleaned_days.items():
                unknown_fields |= cleaned.unknown_fields
                typed = {**cleaned.tables, SNAPSHOT_PULLS: cleaned.pulls, SNAPSHOT_REJECTS: cleaned.rejects}
                for table, frame in typed.items():
                    parts[table].append(Part(listener, frame, day))
        audits = Audits(*DAILY_SNAPSHOTS)
        for table, of_table in parts.items():
            yield dg.Output(audits.of(table, of_table), table.name)
        yield from audits.results()
        yield every_listener_result(asset_key(SNAPSHOT_PULLS), failures)
        yield unknown_fields_result(asset_key(SNAPSHOT_PULLS), unknown_fields)

    return snapshots
