"""What follows every run, wherever it ran: its record goes into the lake, and who is to know of problems is told.

Called by sensors, by the command line, and by Lambda.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.automation.alerts import tell
from spotifriend_dagster.automation.channels import Channel, Message
from spotifriend_dagster.automation.findings import findings_of
from spotifriend_dagster.automation.health import facts_of, health_record
from spotifriend_dagster.lake.health import has_record, write_record


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
        usage: what the run asked of AWS, where it ran in this process, which counts that.

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
    return told
