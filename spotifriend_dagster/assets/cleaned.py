"""Cleaned assets: typed rows and plays. Every rule they apply is in `cleaning/`, as a pure function of one listener."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

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
from spotifriend_dagster.cleaning.history import CleanedHistory, clean_history
from spotifriend_dagster.cleaning.plays import UnitedPlays, unite_plays
from spotifriend_dagster.cleaning.recent import clean_recent
from spotifriend_dagster.lake.io_managers import Part, daily_parts
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.cleaned import (
    HISTORY_FILES,
    HISTORY_PLAYS,
    HISTORY_REJECTS,
    LISTENING_GAPS,
    PLAY_HOURS,
    PLAYS,
    RECENT_PAGES,
    RECENT_PLAYS,
    RECENT_REJECTS,
    ROW_OUTCOMES,
)
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED, STREAMING_HISTORY

_Result = TypeVar("_Result")
_HISTORY = (HISTORY_PLAYS, HISTORY_FILES, HISTORY_REJECTS)
_RECENT = (RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS)
_PLAYS = (PLAYS, PLAY_HOURS, ROW_OUTCOMES, LISTENING_GAPS)


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


def each_listener(
    present: Iterable[str], work: Callable[[str], _Result], failures: dict[str, str], log: logging.Logger
) -> Iterator[tuple[str, _Result]]:
    """`work`'s result for one listener after another; a listener's failure is kept, and stops nobody else."""
    for listener in present:
        try:
            result = work(listener)
        except Exception as error:
            log.exception("Listener %s was left out", listener)
            failures[listener] = f"{type(error).__name__}: {error}"
        else:
            yield listener, result


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
        check_specs=[*map(declaration_check, _RECENT), every_listener_check(asset_key(RECENT_PLAYS))],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def recent(context: dg.AssetExecutionContext, raw_recently_played: StoredTable) -> Iterator[Any]:
        """Type the plays of a day's polls, each once, and say which interval each page spans."""
        failures: dict[str, str] = {}
        parts: dict[Table, list[Part]] = {table: [] for table in _RECENT}
        now = pd.Timestamp.now("UTC")

        def clean(listener: str) -> dict[Table, list[Part]]:
            made: dict[Table, list[Part]] = {table: [] for table in _RECENT}
            for raw in raw_recently_played.batches(listener):
                cleaned, days_received = clean_recent(raw, now), sorted(set(raw["dt"]))
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
        for table, frames in parts.items():
            yield dg.Output(audits.of(table, frames), table.name)
        yield from audits.results()
        yield every_listener_result(asset_key(RECENT_PLAYS), failures)

    return recent


@dg.multi_asset(
    name="plays",
    ins=table_ins(*_HISTORY, *_RECENT),
    outs=table_outs(*_PLAYS),
    check_specs=[*map(declaration_check, _PLAYS), every_listener_check(asset_key(PLAYS))],
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
    failures: dict[str, str] = {}
    hours: list[Part] = []
    outcomes: list[Part] = []
    gaps: list[Part] = []

    def united_plays() -> Iterator[Part]:
        def unite(listener: str) -> UnitedPlays:
            person = listeners.get(listener)
            return unite_plays(
                history=history_plays.frame(listener),
                history_files=history_files.frame(listener),
                history_rejects=history_rejects.frame(listener),
                recent=recent_plays.frame(listener),
                recent_pages=recent_pages.frame(listener),
                recent_rejects=recent_rejects.frame(listener),
                zones=person.zones,
                include_private=person.include_private_sessions,
            )

        present = sorted({*history_files.listeners(), *recent_pages.listeners()})
        for listener, united in each_listener(present, unite, failures, context.log):
            hours.append(Part(listener, united.play_hours))
            outcomes.append(Part(listener, united.row_outcomes))
            gaps.append(Part(listener, united.listening_gaps))
            yield Part(listener, united.plays)

    audits = Audits(*_PLAYS)
    yield dg.Output(audits.of(PLAYS, united_plays()), PLAYS.name)
    yield dg.Output(audits.of(PLAY_HOURS, hours), PLAY_HOURS.name)
    yield dg.Output(audits.of(ROW_OUTCOMES, outcomes), ROW_OUTCOMES.name)
    yield dg.Output(audits.of(LISTENING_GAPS, gaps), LISTENING_GAPS.name)
    yield from audits.results()
    yield every_listener_result(asset_key(PLAYS), failures)
