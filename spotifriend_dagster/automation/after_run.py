"""What follows every run, wherever it ran: its record goes into the lake, and who is to know of problems is told.

Called by sensors, by the command line, and by Lambda.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.automation.alerts import Finding, tell
from spotifriend_dagster.automation.channels import Channel, Message
from spotifriend_dagster.automation.findings import findings_of, of_overlaps
from spotifriend_dagster.automation.health import RunFacts, facts_of, health_record
from spotifriend_dagster.lake.health import has_record, read_records, write_record
from spotifriend_dagster.lake.storage import StorageError

_MAY_OVERLAP = ("poll", "__")
"""Jobs of which two at once are of no interest: a poll is one call, and Dagster's own job may be of any assets."""


def after_run(
    lake: Lake,
    instance: dg.DagsterInstance,
    run_id: str,
    channels: Sequence[Channel],
    now: datetime,
    *,
    usage: Mapping[str, int] | None = None,
) -> list[Message]:
    """Keep the record of a run that has ended, and tell of the problems that it met, and of those that are over.

    A run that has its record was dealt with: called again, nothing is told again.

    Args:
        lake: where the record goes, and what was told.
        instance: where the run is noted.
        run_id: of the run.
        channels: who is told.
        now: UTC-aware.
        usage: what the run asked of AWS, where it ran within this process, which counts that.

    Returns:
        What was told.

    Raises:
        StorageError: the record cannot be kept. What there was to tell has been told.
    """
    facts = facts_of(instance, run_id, now)
    if facts is None or has_record(lake.storage, run_id, facts.ended):
        return []
    told = tell(lake.storage, findings_of(facts), channels, now)
    write_record(lake.storage, run_id, facts.ended, health_record(facts, usage or {}))
    overlaps = _overlaps(lake, facts)
    return told + (tell(lake.storage, overlaps, channels, now) if overlaps else [])


def _overlaps(lake: Lake, facts: RunFacts) -> list[Finding]:
    """Of two runs that end together, each has left its record before it looks for the other's."""
    if facts.job.startswith(_MAY_OVERLAP):
        return []
    try:
        others, _ = read_records(lake.storage, facts.started.date())
    except StorageError:
        return []
    return list(of_overlaps(facts, others))
