"""Cleaned assets: typed rows and plays. Every rule they apply is in `cleaning/`, as a pure function of one listener."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from spotifriend_dagster.assets.resources import Listeners
from spotifriend_dagster.assets.specs import (
    OWNERS,
    Audits,
    asset_key,
    declaration_check,
    every_listener_check,
    every_listener_result,
    mistyped_values_check,
    mistyped_values_result,
    table_metadata,
    unknown_fields_check,
    unknown_fields_result,
)
from spotifriend_dagster.assets.uniting import UNITED, Uniting, each_listener
from spotifriend_dagster.cleaning.history import CleanedHistory, clean_history
from spotifriend_dagster.cleaning.recent import clean_recent
from spotifriend_dagster.lake.io_managers import Part, daily_parts
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.cleaned import (
    HISTORY_FILES,
    HISTORY_PLAYS,
    HISTORY_REJECTS,
    PLAYS,
    RECENT_PAGES,
    RECENT_PLAYS,
    RECENT_REJECTS,
)
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED, STREAMING_HISTORY

_HISTORY = (HISTORY_PLAYS, HISTORY_FILES, HISTORY_REJECTS)
_RECENT = (RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS)


def table_outs(*tables: Table) -> dict[str, dg.AssetOut]:
    """The outputs of a multi-asset that makes these tables, by name."""
    return {
        table.name: dg.AssetOut(
            key=asset_key(table),
            io_manager_key="table_io_manager",
            group_name="cleaned",
            kinds={"pandas", "json" if table.format == "jsonl" else "parquet"},
            owners=OWNERS,
            description=table.description,
            metadata=table_metadata(table),
        )
        for table in tables
    }


def table_ins(*tables: Table) -> dict[str, dg.AssetIn]:
    """The inputs of an asset that reads these tables, by name."""
    return {table.name: dg.AssetIn(key=asset_key(table), input_manager_key="table_io_manager") for table in tables}


@dg.multi_asset(
    name="history",
    ins=table_ins(STREAMING_HISTORY),
    outs=table_outs(*_HISTORY),
    check_specs=[
        *map(declaration_check, _HISTORY),
        every_listener_check(asset_key(HISTORY_PLAYS)),
        unknown_fields_check(asset_key(HISTORY_PLAYS)),
        mistyped_values_check(asset_key(HISTORY_PLAYS)),
    ],
)
def history(context: dg.AssetExecutionContext, raw_streaming_history: StoredTable) -> Iterator[Any]:
    """Type the rows of all exports, and set aside those that cannot be read."""
    failures: dict[str, str] = {}
    unknown_fields: set[str] = set()
    mistyped_values: dict[str, int] = {}
    files: list[Part] = []
    rejects: list[Part] = []
    now = pd.Timestamp.now("UTC")

    def plays() -> Iterator[Part]:
        def clean(listener: str) -> CleanedHistory:
            return clean_history(raw_streaming_history.frame(listener), now)

        for listener, cleaned in each_listener(raw_streaming_history.listeners(), clean, failures, context.log):
            files.append(Part(listener, cleaned.files))
            rejects.append(Part(listener, cleaned.rejects))
            unknown_fields.update(*cleaned.unknown_fields.values())
            for (export, file), count in cleaned.mistyped_values.items():
                mistyped_values[f"{listener}/{export}/{file}"] = count
            yield Part(listener, cleaned.plays)

    audits = Audits(*_HISTORY)
    yield dg.Output(audits.of(HISTORY_PLAYS, plays()), HISTORY_PLAYS.name)
    yield dg.Output(audits.of(HISTORY_FILES, files), HISTORY_FILES.name)
    yield dg.Output(audits.of(HISTORY_REJECTS, rejects), HISTORY_REJECTS.name)
    yield from audits.results()
    yield every_listener_result(asset_key(HISTORY_PLAYS), failures)
    yield unknown_fields_result(asset_key(HISTORY_PLAYS), unknown_fields)
    yield mistyped_values_result(asset_key(HISTORY_PLAYS), mistyped_values)


def recent_asset(days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset of the polled plays, by day of collection."""

    @dg.multi_asset(
        name="recent",
        ins=table_ins(RECENTLY_PLAYED),
        outs=table_outs(*_RECENT),
        check_specs=[
            *map(declaration_check, _RECENT),
            every_listener_check(asset_key(RECENT_PLAYS)),
            unknown_fields_check(asset_key(RECENT_PLAYS)),
        ],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def recent(context: dg.AssetExecutionContext, raw_recently_played: StoredTable) -> Iterator[Any]:
        """Type the plays of a day's polls, each once, and say which interval each page spans."""
        failures: dict[str, str] = {}
        unknown_fields: set[str] = set()
        parts: dict[Table, list[Part]] = {table: [] for table in _RECENT}
        now = pd.Timestamp.now("UTC")

        def clean(listener: str) -> dict[Table, list[Part]]:
            made: dict[Table, list[Part]] = {table: [] for table in _RECENT}
            for raw in raw_recently_played.batches(listener):
                cleaned, days_received = clean_recent(raw, now), sorted(set(raw["dt"]))
                unknown_fields.update(cleaned.unknown_fields)
                for table, frame, day in (
                    (RECENT_PLAYS, cleaned.plays, cleaned.plays["collected_on"].dt.strftime("%Y-%m-%d")),
                    (RECENT_PAGES, cleaned.pages, cleaned.pages["collected_on"].dt.strftime("%Y-%m-%d")),
                    (RECENT_REJECTS, cleaned.rejects, cleaned.rejects["origin"]),
                ):
                    made[table] += daily_parts(listener, frame, table, day, days_received)
            return made

        for _, made in each_listener(raw_recently_played.listeners(), clean, failures, context.log):
            for table, of_days in made.items():
                parts[table] += of_days
        audits = Audits(*_RECENT)
        damaged = (
            {"salvaged": dg.MetadataValue.json(raw_recently_played.damaged)} if raw_recently_played.damaged else {}
        )
        for table, frames in parts.items():
            said = damaged if table is RECENT_REJECTS else {}
            yield dg.Output(audits.of(table, frames), table.name, metadata=said)
        yield from audits.results()
        yield every_listener_result(asset_key(RECENT_PLAYS), failures)
        yield unknown_fields_result(asset_key(RECENT_PLAYS), unknown_fields)

    return recent


@dg.multi_asset(
    name="plays",
    ins=table_ins(*_HISTORY, *_RECENT),
    outs=table_outs(*UNITED),
    check_specs=[*map(declaration_check, UNITED), every_listener_check(asset_key(PLAYS))],
)
def plays(  # noqa: PLR0917 - Dagster passes inputs by name
    context: dg.AssetExecutionContext,
    listeners: dg.ResourceParam[Listeners],
    history_plays: StoredTable,
    history_files: StoredTable,
    history_rejects: StoredTable,
    recent_plays: StoredTable,
    recent_pages: StoredTable,
    recent_rejects: StoredTable,
) -> Iterator[Any]:
    """Unite all sources into one truth, and give every play its meaning."""
    sources = (history_plays, history_files, history_rejects, recent_plays, recent_pages, recent_rejects)
    uniting = Uniting({source.table.name: source for source in sources}, listeners, context.log)
    audits = Audits(*UNITED)
    for table, parts in uniting.parts(uniting.present()):
        yield dg.Output(audits.of(table, parts), table.name)
    yield from audits.results()
    yield every_listener_result(asset_key(PLAYS), uniting.failures)
