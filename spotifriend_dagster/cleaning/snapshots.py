"""A day's answers of the Web API beside plays, as typed rows: which answers count, and what is set aside.

What one item says is in `snapshot_sources.py`; plays are in `recent.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import pandas as pd

from spotifriend_dagster.cleaning.api_fields import unknown_fields
from spotifriend_dagster.cleaning.api_objects import count
from spotifriend_dagster.cleaning.instants import problems_of_instants, read_instants
from spotifriend_dagster.cleaning.media import without_placeholder_names
from spotifriend_dagster.cleaning.payloads import parse_json
from spotifriend_dagster.cleaning.snapshot_sources import SNAPSHOT_SOURCES, Question, Row, SnapshotSource, page_of
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.frames import empty_frame, typed_frame
from spotifriend_dagster.tables.snapshots import (
    PLAYLIST_TRACKS,
    PLAYLISTS,
    PROFILES,
    SAVED_TRACKS,
    SNAPSHOT_PULLS,
    SNAPSHOT_REJECTS,
)

_PLACE = [*SNAPSHOT_REJECTS.column_names, "subject", "answer"]
_ANSWER = ["file", "pulled_at", "subject", "is_readable", "is_last", "total"]


@dataclass(frozen=True)
class CleanedSnapshots:
    """What became of a day's answers: typed frames.

    `tables` are those whose sources were asked on that day; `pulls` is one of `snapshot_pulls`, `rejects` one of
    `snapshot_rejects`. `unknown_fields` are those that no dialect was known to have, as `kind.field`.
    """

    tables: Mapping[Table, pd.DataFrame]
    pulls: pd.DataFrame
    rejects: pd.DataFrame
    unknown_fields: frozenset[str]


@dataclass(frozen=True)
class _Read:
    """A source's day: one row per item, good or bad, and one per answer; both in the order in which they came."""

    source: SnapshotSource
    day: pd.Timestamp
    items: pd.DataFrame
    answers: pd.DataFrame
    unknown_fields: set[str]

    @property
    def good(self) -> pd.DataFrame:
        return self.items[self.items["reason"].isna()]


def clean_snapshots(received: Mapping[str, pd.DataFrame], day: date, now: pd.Timestamp) -> CleanedSnapshots:
    """Type what one listener's pulls of one day brought, beside plays. Both dialects of the Web API give equal tables.

    The day's last answer counts: of a top, the last about its range; of a look-up, the last about its id. Of a list in
    pages (playlists, saved tracks, followed artists), it is the last pull that went to its end, and what pulls after it
    said; without one, what all pulls said. Of a playlist's content, it is the last pull that went to its end alone:
    half of one would look like a playlist from which the rest was removed. An answer that cannot be read is none.
    Every item is kept (a row), unused or rejected.

    Args:
        received: by the name of the raw table, its rows of the day: file, pulled_at, endpoint, page and payload. One
            object is one pull. Sources that were not asked are left out.
        day: the UTC day of collection.
        now: the wall clock, UTC-aware.
    """
    read = {
        source.table: _read(source, received[source.raw.name], day, now)
        for source in SNAPSHOT_SOURCES
        if source.raw.name in received
    }
    kept = {table: _kept(of_table) for table, of_table in read.items()}
    if PLAYLISTS in kept:
        kept[PLAYLISTS] = kept[PLAYLISTS].assign(is_own=_is_own(kept[PLAYLISTS]["owner"], kept.get(PROFILES)))
    if PLAYLIST_TRACKS in kept:
        versions = read[PLAYLISTS].good if PLAYLISTS in read else None
        kept[PLAYLIST_TRACKS] = _with_snapshots(kept[PLAYLIST_TRACKS], versions)
    if SAVED_TRACKS in kept:
        kept[SAVED_TRACKS] = kept[SAVED_TRACKS].assign(**_library(read[SAVED_TRACKS]))
    bad = [of_table.items[of_table.items["reason"].notna()] for of_table in read.values()]
    pulls = [_pulls(of_table, kept[table]) for table, of_table in read.items()]
    return CleanedSnapshots(
        tables={table: typed_frame(frame, table) for table, frame in kept.items()},
        pulls=typed_frame(pd.concat(pulls), SNAPSHOT_PULLS) if pulls else empty_frame(SNAPSHOT_PULLS),
        rejects=typed_frame(pd.concat(bad), SNAPSHOT_REJECTS) if bad else empty_frame(SNAPSHOT_REJECTS),
        unknown_fields=frozenset().union(*(of_table.unknown_fields for of_table in read.values())),
    )


def _read(source: SnapshotSource, raw: pd.DataFrame, day: date, now: pd.Timestamp) -> _Read:
    raw = raw.assign(pull=read_instants(raw["pulled_at"]).groupby(raw["file"]).transform("min"))
    raw = raw.sort_values(["pull", "file", "page"], ignore_index=True)
    answers: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    unknown: set[str] = set()
    received = zip(raw["file"], raw["pull"], raw["endpoint"], raw["payload"], strict=True)
    for number, (file, pulled_at, endpoint, payload) in enumerate(received):
        asked = Question(endpoint)
        subject = source.subject(asked)
        body, problem = _body(payload)
        listed = None if problem else source.items(body)
        page = page_of(body)
        answers.append(
            {
                "file": file,
                "pulled_at": pulled_at,
                "subject": subject,
                "is_readable": listed is not None,
                "is_last": not source.is_paged or (listed is not None and page.get("next") is None),
                "total": count(page.get("total")),
            }
        )
        if listed is None:
            rows = [{"reason": problem or "answer has no list of items", "payload": payload}]
        else:
            said = count(page.get("offset"))
            rows = _rows(source, listed, asked, asked.offset if said is None else said)
            unknown |= unknown_fields(body, source.kind)
        items += [{"file": file, "answer": number, "subject": subject, **row} for row in rows]
    frame = _framed(source, items).assign(
        source=source.name,
        origin=day.isoformat(),
        collected_on=pd.Timestamp(day),
        pulled_at=lambda frame: raw["pull"].take(frame["answer"].to_numpy(dtype="int64")).array,
        row=lambda frame: frame.groupby("file").cumcount(),
    )
    items_read = _with_instants(frame, source.table, now)
    return _Read(source, pd.Timestamp(day), items_read, pd.DataFrame(answers, columns=_ANSWER), unknown)


def _rows(source: SnapshotSource, items: list[Any], asked: Question, offset: int) -> list[Row]:
    """The columns of an answer's items; of one that has none, the reason and its text."""
    rows = (source.row(item, asked, offset + place) for place, item in enumerate(items))
    return [
        {"reason": row, "payload": orjson.dumps(item).decode()} if isinstance(row, str) else row
        for row, item in zip(rows, items, strict=True)
    ]


def _framed(source: SnapshotSource, items: list[Row]) -> pd.DataFrame:
    """Items as a frame with all columns of the table and of rejects; what is written as text is of that dtype."""
    frame = pd.DataFrame(items, columns=list(dict.fromkeys([*_PLACE, *source.table.column_names])))
    texts = [column.name for column in source.table.columns if column.type == "string"]
    return frame.astype({name: "str" for name in ("reason", "payload", "added_at", *texts) if name in frame})


def _body(payload: str) -> tuple[Any, str | None]:
    try:
        return parse_json(payload), None
    except ValueError:
        return None, "answer is not readable as JSON"


def _with_instants(items: pd.DataFrame, table: Table, now: pd.Timestamp) -> pd.DataFrame:
    """Items with `added_at` read: an item without a time that must have one is rejected for it."""
    if "added_at" not in table.column_names:
        return items
    added_at = read_instants(items["added_at"])
    problem = problems_of_instants(added_at, items["added_at"], now)
    items = items.assign(added_at=added_at.where(problem.isna()))  # very old entries say 1970
    if not table.column("added_at").nullable:
        items["reason"] = items["reason"].fillna(problem)
    return items


def _kept(read: _Read) -> pd.DataFrame:
    """The items that count, each once, in the order of what they are known by."""
    known_by = [name for name in read.source.table.grain if name not in ("listener", "collected_on")]
    kept = read.good[read.good["answer"].isin(_counting(read))].drop_duplicates(known_by or "origin", keep="last")
    kept = kept.sort_values(known_by) if known_by else kept
    return without_placeholder_names(kept) if "track_name" in kept else kept


def _counting(read: _Read) -> pd.Index:
    """The numbers of the answers that count: see `clean_snapshots`."""
    answers = read.answers.assign(pull=pd.factorize(read.answers["file"])[0])
    by_pull = answers.groupby(["subject", "pull"], as_index=False)
    pulls = by_pull.agg(is_readable=("is_readable", "all"), is_ended=("is_last", "any"))
    whole = pulls[pulls["is_readable"] & pulls["is_ended"]].groupby("subject")["pull"].max()
    if read.source.is_ordered:
        return answers.index[answers["pull"] == answers["subject"].map(whole)]
    return answers.index[answers["pull"] >= answers["subject"].map(whole).fillna(0)]


def _pulls(read: _Read, kept: pd.DataFrame) -> pd.DataFrame:
    """What became of the items of each pull."""
    pulls = read.answers.groupby("file", sort=False)[["pulled_at"]].first().rename_axis("page")
    counted = {
        "rows": read.items.groupby("file").size(),
        "kept_rows": kept.groupby("file").size(),
        "rejected_rows": read.items.loc[read.items["reason"].notna()].groupby("file").size(),
    }
    pulls = pulls.assign(**counted).fillna(dict.fromkeys(counted, 0))
    unused = pulls["rows"] - pulls["kept_rows"] - pulls["rejected_rows"]
    return pulls.assign(unused_rows=unused, source=read.source.name, collected_on=read.day).reset_index()


def _is_own(owner: pd.Series, profiles: pd.DataFrame | None) -> pd.Series:
    is_known = owner.notna() & (profiles is not None and len(profiles) > 0)
    listener = profiles["owner"].iloc[0] if profiles is not None and len(profiles) else None
    return (owner == listener).astype("boolean").where(is_known)


def _with_snapshots(entries: pd.DataFrame, versions: pd.DataFrame | None) -> pd.DataFrame:
    """Entries with the version of their playlist: the one that was listed last before they were pulled."""
    entries = entries.drop(columns="snapshot_id")
    if versions is None or entries.empty:
        return entries.assign(snapshot_id=None)
    listed = versions[["pulled_at", "playlist_id", "snapshot_id"]].sort_values("pulled_at", kind="stable")
    dated = pd.merge_asof(entries.sort_values("pulled_at", kind="stable"), listed, on="pulled_at", by="playlist_id")
    return dated.sort_values(["playlist_id", "position"])


def _library(read: _Read) -> dict[str, Any]:
    """What the day's pulls said of the library as such."""
    by_pull = read.answers.groupby("file")
    totals = read.answers["total"].dropna()
    return {
        "library_total": totals.iloc[-1] if len(totals) else None,
        "is_whole_library": bool((by_pull["is_readable"].all() & by_pull["is_last"].any()).any()),
    }
