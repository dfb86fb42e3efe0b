"""Collected assets: what the Web API says now, by day of collection. What is asked, and when not, is in `collecting/`.

Spotify serves only now, so a past day is not collected: what it received stays as it is, and an observation says so.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import (
    OWNERS,
    asset_key,
    every_listener_check,
    every_listener_result,
    table_metadata,
)
from spotifriend_dagster.collecting.pulls import Collector, Pulled, Spotify
from spotifriend_dagster.collecting.sources import DAILY, POLL, Source
from spotifriend_dagster.sources.spotify.errors import login_command
from spotifriend_dagster.tables.raw import API_PULLS

NOTHING_WITHHELD = "nothing_withheld"
CONSENT_LASTS = "consent_lasts"
_ENDING_DAYS, _LAST_DAYS = 30, 7
NOBODY_SIGNED_IN = "Nobody is signed in to Spotify, so nothing is collected: spotifriend login"
_KINDS = {"spotify", "json"}


def collected_assets(days: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the Web API's answers: the hourly poll, and all that is collected once a day."""
    return [
        _collected("spotify_poll", (POLL,), days, "Ask for the last plays of everybody who is signed in."),
        _collected("spotify_snapshots", DAILY, days, "Ask for what changes slowly, of everybody who is signed in."),
    ]


def pull_records(days: dg.DailyPartitionsDefinition) -> dg.AssetSpec:
    """The records of pulls: written with each pull, and materialized by no run of their own."""
    return dg.AssetSpec(
        asset_key(API_PULLS),
        group_name="raw",
        kinds=_KINDS,
        owners=OWNERS,
        description=API_PULLS.description,
        metadata=table_metadata(API_PULLS),
        partitions_def=days,
    )


def _collected(
    name: str, sources: Sequence[Source], days: dg.DailyPartitionsDefinition, description: str
) -> dg.AssetsDefinition:
    keys = {source.name: asset_key(source.table) for source in sources}

    @dg.multi_asset(
        name=name,
        description=description,
        specs=[
            dg.AssetSpec(
                keys[source.name],
                group_name="raw",
                kinds=_KINDS,
                owners=OWNERS,
                description=source.table.description,
                metadata=table_metadata(source.table),
                skippable=True,
            )
            for source in sources
        ],
        check_specs=[
            *(check for key in keys.values() for check in (every_listener_check(key), _nothing_withheld_check(key))),
            *(_consent_check(keys[source.name]) for source in sources if source.is_poll),
        ],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def collect(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        listeners: dg.ResourceParam[Listeners],
        spotify: dg.ResourceParam[Spotify],
    ) -> Iterator[Any]:
        selected = [source for source in sources if keys[source.name] in context.selected_asset_keys]
        today = f"{spotify.now():%Y-%m-%d}"
        past = [day for day in context.partition_keys if day != today]
        for source in selected:
            yield from _kept_as_it_is(source, past, lake)
        if today not in context.partition_keys:
            return
        everybody = list(listeners.read())
        collector = Collector(spotify, lake.storage, everybody)
        expected = collector.expected()
        pulls: dict[str, dict[str, Pulled]] = {source.name: {} for source in selected}
        for listener in expected:
            for source, pulled in collector.pull(listener, selected):
                pulls[source.name][listener] = pulled
                context.log.info("%s of %s: %s", source.name, listener, _told(pulled))
        for source in selected:
            key, pulled_of = keys[source.name], pulls[source.name]
            metadata = _metadata(pulled_of, not_signed_in=[id_ for id_ in everybody if id_ not in expected])
            if not any(pulled.key or pulled.record.outcome == "complete" for pulled in pulled_of.values()):
                said = "Nothing was added: no listener's pull was answered." if expected else NOBODY_SIGNED_IN
                yield dg.AssetObservation(key, partition=today, description=said, metadata=metadata)
            elif past:  # a result would be one of every day of the run
                yield dg.AssetMaterialization(key, partition=today, metadata=metadata)
            else:
                yield dg.MaterializeResult(asset_key=key, metadata=metadata)
            yield every_listener_result(key, _failures(source, pulled_of))
            yield _nothing_withheld_result(key, _withheld(source, pulled_of))
            if source.is_poll:
                yield _consent_result(key, {listener: spotify.consent_days_left(listener) for listener in expected})

    return collect


def _kept_as_it_is(source: Source, days: Collection[str], lake: Lake) -> Iterator[dg.AssetObservation]:
    if not days:
        return
    pulls = Counter(stored.key.split("/dt=")[1][:10] for stored in lake.storage.list(source.table.folder))
    for day in days:
        yield dg.AssetObservation(
            asset_key=asset_key(source.table),
            partition=day,
            description="Nothing was added: what this day received is kept as it is.",
            metadata={"pulls": pulls[day]},
        )


def _metadata(pulls: Mapping[str, Pulled], not_signed_in: Sequence[str]) -> dict[str, Any]:
    """Totals of all listeners, and each listener's own."""
    return {
        "calls": sum(pulled.record.calls for pulled in pulls.values()),
        "retries": sum(pulled.record.retries for pulled in pulls.values()),
        "rows": sum(pulled.rows for pulled in pulls.values()),
        "listeners": dg.MetadataValue.json({listener: _of_listener(pulled) for listener, pulled in pulls.items()}),
        "not_signed_in": dg.MetadataValue.json(list(not_signed_in)),
    }


def _of_listener(pulled: Pulled) -> dict[str, Any]:
    record = pulled.record
    return {
        "outcome": record.outcome,
        "calls": record.calls,
        "retries": record.retries,
        "budget_left": pulled.budget_left,
        "rows": pulled.rows,
        "object": pulled.key,
        "message": record.message,
        "is_known": record.outcome == "denied" and pulled.is_repeated,
        "refused": list(pulled.refused),
        "clock_off": record.clock_off,
        **pulled.news,
    }


def _told(pulled: Pulled) -> str:
    return json.dumps({name: said for name, said in _of_listener(pulled).items() if said})


def _failures(source: Source, pulls: Mapping[str, Pulled]) -> dict[str, str]:
    """By listener why their pull failed. A poll that is stopped loses plays, if it lasts: that is a failure, too."""
    failing = ("failed", "stopped") if source.is_poll else ("failed",)
    return {
        listener: pulled.record.message or "" for listener, pulled in pulls.items() if pulled.record.outcome in failing
    }


def _withheld(source: Source, pulls: Mapping[str, Pulled]) -> dict[str, str]:
    """By listener what Spotify, or the budget, did not allow; what is known to be denied is not told again."""
    withheld = {}
    for listener, pulled in pulls.items():
        record = pulled.record
        is_stopped = record.outcome == "stopped" and not source.is_poll
        if is_stopped or (record.outcome == "denied" and not pulled.is_repeated):
            withheld[listener] = record.message or ""
        elif pulled.refused:
            withheld[listener] = f"Spotify does not give the content of {', '.join(pulled.refused)}."
    return withheld


def _nothing_withheld_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        NOTHING_WITHHELD,
        asset=key,
        description="Neither consent, nor app, nor quota, nor budget kept this from being collected.",
    )


def _nothing_withheld_result(key: dg.AssetKey, withheld: Mapping[str, str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=NOTHING_WITHHELD,
        asset_key=key,
        passed=not withheld,
        severity=dg.AssetCheckSeverity.WARN,  # all else is collected, and this goes on when it is allowed
        metadata={listener: dg.MetadataValue.text(sentence) for listener, sentence in withheld.items()},
    )


def _consent_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        CONSENT_LASTS,
        asset=key,
        description=f"Everybody's consent lasts {_ENDING_DAYS} days more: Spotify ends it after six months.",
    )


def _consent_result(key: dg.AssetKey, days_left: Mapping[str, int | None]) -> dg.AssetCheckResult:
    """By listener how many days of consent are left, and how to renew it where they are few."""
    few = {listener: days for listener, days in days_left.items() if days is not None and days <= _ENDING_DAYS}
    is_urgent = any(days <= _LAST_DAYS for days in few.values())
    return dg.AssetCheckResult(
        check_name=CONSENT_LASTS,
        asset_key=key,
        passed=not few,
        # in the last week it is grave: what is played after the end is lost
        severity=dg.AssetCheckSeverity.ERROR if is_urgent else dg.AssetCheckSeverity.WARN,
        metadata={
            listener: f"{days} days of consent are left; sign in again before: {login_command(listener)}"
            for listener, days in few.items()
        },
    )
