"""The asset of the pipeline's own health: the records of runs, as a table."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pandas as pd

from spotifriend_dagster.assets.cleaned import table_outs
from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import Audits, declaration_check
from spotifriend_dagster.cleaning.health import clean_runs
from spotifriend_dagster.lake.health import read_records
from spotifriend_dagster.lake.io_managers import Part
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.tables.health import PIPELINE_HEALTH

_LATE = timedelta(days=2)  # a record may come later than those of runs that ended after its own


@dg.multi_asset(name="health", outs=table_outs(PIPELINE_HEALTH), check_specs=[declaration_check(PIPELINE_HEALTH)])
def health(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], listeners: dg.ResourceParam[Listeners]
) -> Iterator[Any]:
    """Add the runs since the last time; the run that does so comes with the next one. Nothing is made stale by it."""
    stored = StoredTable(lake.storage, PIPELINE_HEALTH)
    before = {listener: stored.frame(listener) for listener in stored.listeners()}
    ends = [frame["ended_at"].max() for frame in before.values() if len(frame)]
    since = max(ends).floor("D") - _LATE if ends else pd.Timestamp(0, tz="UTC")
    records, damaged = read_records(lake.storage, since.date())
    if damaged:
        context.log.warning(f"These records of runs cannot be read, and are left out: {', '.join(damaged)}.")
    added = clean_runs(records, sorted(listeners.read()))
    parts = []
    for listener in sorted({*before, *added}):
        known = [before[listener].loc[lambda frame: frame["ended_at"] < since]] if listener in before else []
        new = [added[listener]] if listener in added else []
        parts.append(Part(listener, pd.concat([*known, *new], ignore_index=True)))
    audits = Audits(PIPELINE_HEALTH)
    yield dg.Output(audits.of(PIPELINE_HEALTH, parts), PIPELINE_HEALTH.name)
    yield from audits.results()
