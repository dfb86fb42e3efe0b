"""A day's answers of the Web API beside plays, as typed rows: which answers count, and what is set aside.

What one item says is in `snapshot_sources.py`; plays are in `recent.py`. Days are small, so that items are worked
through as objects, and only those that count become a frame.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
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
from spotifriend_dagster.tables.frames import typed_frame
from spotifriend_dagster.tables.snapshots import (
    PLAYLIST_TRACKS,
    PLAYLISTS,
    PROFILES,
    SAVED_TRACKS,
    SNAPSHOT_PULLS,
    SNAPSHOT_REJECTS,
)


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
class _Answer:
    """An answer of a pull: `pull` is its raw object; `is_last` where nothing follows it."""

    pull: str
    pulled_at: pd.Timestamp
    subject: str
    is_readable: bool
    is_last: bool
    total: int | None


@dataclass
class _Item:
    """An item at its place in the pull: its columns, or the reason why it has none, and its text as received."""

    answer: _Answer
    place: int
    columns: Row
    reason: str | None
    text: Callable[[], str]


@dataclass(frozen=True)
class _Read:
    """A source's day, in the order in which it came."""

    source: SnapshotSource
    answers: list[_Answer]
    items: list[_Item]
    unknown_fields: set[str]

    @property
    def good(self) -> Iterator[_Item]:
        return (item for item in self.items if item.reason is None)


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
        source.table: _read(source, received[source.raw.name], now)
        for source in SNAPSHOT_SOURCES
        if source.raw.name in received
    }
    kept = {table: _kept(of_table) for table, of_table in read.items()}
    profile = next((item.columns["owner"] for item in kept.get(PROFILES, ())), None)
    for item in kept.get(PLAYLISTS, ()):
        owner = item.columns["owner"]
        item.columns["is_own"] = None if owner is None or profile is None else owner == profile
    _add_versions(kept.get(PLAYLIST_TRACKS, ()), read[PLAYLISTS].good if PLAYLISTS in read else ())
    if SAVED_TRACKS in kept:
        library = _library(read[SAVED_TRACKS])
        for item in kept[SAVED_TRACKS]:
            item.columns |= library
    pulls = [row for table, of_table in read.items() for row in _pulls(of_table, kept[table])]
    rejects = [
        {"source": of_table.source.name, "origin": day.isoformat(), "file": item.answer.pull, "row": item.place}
        | {"reason": item.reason, "payload": item.text()}
        for of_table in read.values()
        for item in of_table.items
        if item.reason is not None
    ]
    return CleanedSnapshots(
        tables={table: _framed((_row(item) for item in items), table, day) for table, items in kept.items()},
        pulls=_framed(pulls, SNAPSHOT_PULLS, day),
        rejects=_framed(rejects, SNAPSHOT_REJECTS, day),
        unknown_fields=frozenset().union(*(of_table.unknown_fields for of_table in read.values())),
    )


def _read(source: SnapshotSource, raw: pd.DataFrame, now: pd.Timestamp) -> _Read:
    raw = raw.assign(pulled_at=read_instants(raw["pulled_at"]))
    pulled_at = raw.groupby("file")["pulled_at"].min().to_dict()
    received = zip(raw["file"], raw["page"], raw["endpoint"], raw["payload"], strict=True)
    read = _Read(source, [], [], set())
    rows: Counter[str] = Counter()
    for pull, _, endpoint, payload in sorted(received, key=lambda answer: (pulled_at[answer[0]], *answer[:2])):
        asked = Question(endpoint)
        body, problem = _body(payload)
        listed = None if problem else source.items(body)
        page = page_of(body)
        answer = _Answer(
            pull=pull,
            pulled_at=pulled_at[pull],
            subject=source.subject(asked),
            is_readable=listed is not None,
            is_last=not source.is_paged or (listed is not None and page.get("next") is None),
            total=count(page.get("total")),
        )
        read.answers.append(answer)
        if listed is None:
            reason = problem or "answer has no list of items"
            items = [_Item(answer, rows[pull], {}, reason, partial(str, payload))]
        else:
            said = count(page.get("offset"))
            offset = asked.offset if said is None else said
            told = ((item, source.row(item, asked, offset + place)) for place, item in enumerate(listed))
            items = [_item(answer, rows[pull] + place, *item) for place, item in enumerate(told)]
            read.unknown_fields.update(unknown_fields(body, source.kind))
        read.items.extend(items)
        rows[pull] += len(items)
    if "added_at" in source.table.column_names:
        _read_dates(read, now)
    return read


def _body(payload: str) -> tuple[Any, str | None]:
    try:
        return parse_json(payload), None
    except ValueError:
        return None, "answer is not readable as JSON"


def _item(answer: _Answer, place: int, said: Any, row: Row | str) -> _Item:
    def text() -> str:
        return orjson.dumps(said).decode()

    return _Item(answer, place, {}, row, text) if isinstance(row, str) else _Item(answer, place, row, None, text)


def _read_dates(read: _Read, now: pd.Timestamp) -> None:
    """Type when items were added; one that must have a time and has none is rejected for it."""
    items = list(read.good)
    written = pd.Series([item.columns["added_at"] for item in items], dtype="str")
    added_at = read_instants(written)
    problems = problems_of_instants(added_at, written, now)
    added_at = added_at.where(problems.isna())  # very old entries say 1970
    is_needed = not read.source.table.column("added_at").nullable
    for item, instant, problem in zip(items, added_at, problems, strict=True):
        item.columns["added_at"] = instant
        item.reason = problem if is_needed and isinstance(problem, str) else None


def _kept(read: _Read) -> list[_Item]:
    """The items that count, each once, in the order of what they are known by."""
    known_by = [name for name in read.source.table.grain if name not in ("listener", "collected_on")]
    counting = _counting(read)
    kept = {tuple(item.columns[name] for name in known_by): item for item in read.good if id(item.answer) in counting}
    return [item for _, item in sorted(kept.items())]


def _counting(read: _Read) -> set[int]:
    """The answers that count, by identity: see `clean_snapshots`."""
    by_subject: dict[str, dict[str, list[_Answer]]] = defaultdict(lambda: defaultdict(list))
    for answer in read.answers:
        by_subject[answer.subject][answer.pull].append(answer)
    counting: set[int] = set()
    for by_pull in by_subject.values():
        pulls = list(by_pull.values())
        whole = [number for number, answers in enumerate(pulls) if _is_whole(answers)]
        if read.source.is_ordered:
            pulls = [pulls[whole[-1]]] if whole else []
        elif whole:
            pulls = pulls[whole[-1] :]
        counting.update(id(answer) for answers in pulls for answer in answers)
    return counting


def _is_whole(answers: Iterable[_Answer]) -> bool:
    """Whether a pull's answers about one subject go to its end."""
    told = list(answers)
    return all(answer.is_readable for answer in told) and any(answer.is_last for answer in told)


def _row(item: _Item) -> Row:
    return {"pulled_at": item.answer.pulled_at, **item.columns}


def _framed(rows: Iterable[Row], table: Table, day: date) -> pd.DataFrame:
    """Rows as a typed frame of a day's table."""
    frame = pd.DataFrame(list(rows), columns=list(table.column_names))
    if "collected_on" in frame:
        frame["collected_on"] = pd.Timestamp(day)
    if "track_name" in frame:
        frame = without_placeholder_names(frame.astype({"track_name": "str", "artist_name": "str"}))
    return typed_frame(frame, table)


def _pulls(read: _Read, kept: list[_Item]) -> Iterator[Row]:
    """What became of the items of each pull."""
    items, used = (Counter(item.answer.pull for item in of_pulls) for of_pulls in (read.items, kept))
    rejected = Counter(item.answer.pull for item in read.items if item.reason is not None)
    for pull, pulled_at in {answer.pull: answer.pulled_at for answer in read.answers}.items():
        yield {
            "source": read.source.name,
            "page": pull,
            "pulled_at": pulled_at,
            "rows": items[pull],
            "kept_rows": used[pull],
            "unused_rows": items[pull] - used[pull] - rejected[pull],
            "rejected_rows": rejected[pull],
        }


def _add_versions(entries: Iterable[_Item], versions: Iterable[_Item]) -> None:
    """Give entries the version of their playlist: the one that was listed last before they were pulled."""
    listed: dict[str, list[_Item]] = defaultdict(list)
    for version in versions:
        listed[version.columns["playlist_id"]].append(version)
    for entry in entries:
        before = (
            version
            for version in reversed(listed[entry.columns["playlist_id"]])
            if version.answer.pulled_at <= entry.answer.pulled_at
        )
        entry.columns["snapshot_id"] = next((version.columns["snapshot_id"] for version in before), None)


def _library(read: _Read) -> Row:
    """What the day's pulls said of the library as such."""
    by_pull: dict[str, list[_Answer]] = defaultdict(list)
    for answer in read.answers:
        by_pull[answer.pull].append(answer)
    totals = [answer.total for answer in read.answers if answer.total is not None]
    return {
        "library_total": totals[-1] if totals else None,
        "is_whole_library": any(map(_is_whole, by_pull.values())),
    }
