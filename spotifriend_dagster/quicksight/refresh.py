"""Refreshing what QuickSight keeps in SPICE: ingestions are begun together, and waited for.

Whose turn it is belongs to `assets/`; what the data sets are is declared in `data_sets.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spotifriend_dagster.quicksight.service import AlreadyThere, LimitReached, NotThere, QuickSight

Json = dict[str, Any]

A_DAY = 32
"""How often QuickSight lets a data set be refreshed by hand in any 24 hours, in the Enterprise edition."""
_WINDOW = timedelta(hours=24)
_PATIENCE_SECONDS = 300.0  # tables of this size take a minute; a Lambda function has fifteen for everything
_POLL_SECONDS = 5
_UNDER_WAY = {"INITIALIZED", "QUEUED", "RUNNING"}
_ACCESS = (
    "let QuickSight use Athena, the lake's bucket and that of Athena's results, under Manage QuickSight, Security & "
    "permissions"
)
_CURES = {
    "PERMISSION_DENIED": _ACCESS,
    "FAILURE_TO_ASSUME_ROLE": _ACCESS,
    "IAM_ROLE_NOT_AVAILABLE": _ACCESS,
    "S3_FILE_INACCESSIBLE": _ACCESS,
    "CONNECTION_FAILURE": _ACCESS,
    "DATA_SOURCE_AUTH_FAILED": _ACCESS,
    "DATA_SOURCE_CONNECTION_FAILED": _ACCESS,
    "DATA_SOURCE_NOT_FOUND": "`spotifriend quicksight` makes it again",
    "SQL_TABLE_NOT_FOUND": "the table is not published yet: `spotifriend run`",
    "SQL_SCHEMA_MISMATCH_ERROR": "the table has other columns than the data set: `spotifriend quicksight`",
    "ACCOUNT_CAPACITY_LIMIT_EXCEEDED": "buy SPICE capacity under Manage QuickSight, or delete data sets of others",
    "DATA_SET_SIZE_LIMIT_EXCEEDED": "the table is larger than a data set of SPICE may be",
    "QUERY_TIMEOUT": "the next refresh tries again; if it is slow again, look at the query in Athena",
    "INGESTION_SUPERSEDED": "another refresh took its place: nothing is to be done",
    "REFRESH_SUPPRESSED_BY_EDIT": "the data set was changed meanwhile, which refreshes it: nothing is to be done",
    "INGESTION_CANCELED": "somebody cancelled it: the next refresh tries again",
    "SOURCE_RESOURCE_LIMIT_EXCEEDED": "the workgroup's limit of bytes scanned stopped it: raise it",
}
_OTHERWISE = "the next refresh tries again; the data set's page in QuickSight has the details"


@dataclass(frozen=True)
class Ingested:
    """What became of an ingestion. `seconds` are QuickSight's own; `fault` is a sentence, None where it is complete."""

    data_set: str
    rows: int = 0
    rows_dropped: int = 0
    seconds: int = 0
    size: int = 0
    fault: str | None = None


def refresh(
    service: QuickSight,
    data_sets: Sequence[str],
    ingestion: str,
    now: datetime,
    *,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Iterator[Ingested]:
    """Refresh data sets whole, all at once, and give each as soon as it is done.

    Args:
        service: the account's QuickSight.
        data_sets: their ids.
        ingestion: the id that their ingestions get; one that was begun under it already is waited for.
        now: the instant, with its time zone.
        patience_seconds: how long all of them may take.

    Raises:
        QuickSightError: QuickSight cannot be asked at all. What fails for one data set is its `fault`.
    """
    begun: dict[str, str] = {}
    for data_set in data_sets:
        try:
            _begin(service, data_set, ingestion, now)
        except (LimitReached, NotThere) as error:
            yield Ingested(data_set, fault=str(error))
        else:
            begun[data_set] = ingestion
    yield from follow(service, begun, patience_seconds=patience_seconds)


def follow(
    service: QuickSight, begun: Mapping[str, str], *, patience_seconds: float = _PATIENCE_SECONDS
) -> Iterator[Ingested]:
    """Wait for ingestions (their ids by that of the data set), and give each as soon as it is done.

    Raises:
        QuickSightError: QuickSight cannot be asked.
    """
    waiting = dict(begun)
    end = time.monotonic() + patience_seconds
    while waiting:
        for data_set, ingestion in tuple(waiting.items()):
            answer = service.call("describe_ingestion", DataSetId=data_set, IngestionId=ingestion)
            if answer["Ingestion"]["IngestionStatus"] not in _UNDER_WAY:
                del waiting[data_set]
                yield _outcome(data_set, answer["Ingestion"])
        if waiting and time.monotonic() > end:
            for data_set in waiting:
                fault = f"{data_set} is not refreshed after {patience_seconds:,.0f} s; QuickSight goes on with it."
                yield Ingested(data_set, fault=fault)
            return
        if waiting:
            time.sleep(_POLL_SECONDS)


def _begin(service: QuickSight, data_set: str, ingestion: str, now: datetime) -> None:
    if (today := _refreshes(service, data_set, now - _WINDOW)) >= A_DAY:
        raise LimitReached(
            f"{data_set} was refreshed {today} times in the last 24 hours, and QuickSight allows {A_DAY}: it is "
            "refreshed again by tomorrow's run; materialize fewer runs a day."
        )
    try:
        service.call("create_ingestion", DataSetId=data_set, IngestionId=ingestion, IngestionType="FULL_REFRESH")
    except AlreadyThere:
        return  # by an attempt before, whose answer was lost
    except NotThere:
        raise NotThere(f"QuickSight has no data set {data_set}: make it by `spotifriend quicksight`.") from None
    except LimitReached:
        raise LimitReached(
            f"QuickSight allows no more refreshes of {data_set} today ({today} in the last 24 hours are known): it is "
            "refreshed again by tomorrow's run."
        ) from None


def _refreshes(service: QuickSight, data_set: str, since: datetime) -> int:
    """How often it was refreshed by hand since then. Ingestions are listed from the latest."""
    count = 0
    try:
        for page in service.pages("list_ingestions", "Ingestions", DataSetId=data_set):
            late = [one for one in page if one["CreatedTime"] > since]
            count += sum(one.get("RequestSource") != "SCHEDULED" for one in late)
            if len(late) < len(page):
                break
    except NotThere:
        raise NotThere(f"QuickSight has no data set {data_set}: make it by `spotifriend quicksight`.") from None
    return count


def _outcome(data_set: str, ingestion: Json) -> Ingested:
    rows, status, error = ingestion.get("RowInfo", {}), ingestion["IngestionStatus"], ingestion.get("ErrorInfo", {})
    fault = None
    if status != "COMPLETED":
        kind, said = error.get("Type", status), " ".join(error.get("Message", "").split()).rstrip(".")
        cure = _CURES.get(kind, _OTHERWISE)
        fault = f"{data_set} was not refreshed ({kind}{': ' + said if said else ''}): {cure}."
    return Ingested(
        data_set,
        rows=rows.get("RowsIngested", 0),
        rows_dropped=rows.get("RowsDropped", 0),
        seconds=ingestion.get("IngestionTimeInSeconds", 0),
        size=ingestion.get("IngestionSizeInBytes", 0),
        fault=fault,
    )
