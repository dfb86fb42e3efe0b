"""A table's files, and reading them: which file holds what, for tables made whole and for those made day by day.

What is in a file is `parquet.py` and `json_lines.py`; writing is `io_managers.py` and `days.py`, of raw `pulls.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from spotifriend_dagster.lake.json_lines import read_json_lines, rows_to_json_lines, salvaged_json_lines
from spotifriend_dagster.lake.parquet import UnreadableFile, read_parquet, rows_to_parquet, to_frame
from spotifriend_dagster.lake.pulls import instant_of, object_name
from spotifriend_dagster.lake.storage import Storage, path_values
from spotifriend_dagster.tables.declaration import Table, narrowed

if TYPE_CHECKING:
    import pyarrow

THREADS = 4
"""Packing and unpacking leave Python's lock; an object store answers several requests at once."""
_MONTH = len("2025-01")
DAMAGED = "a part of the object is damaged"
"""The problem of what is left of lines that cannot be read."""
_DAY_FILE = re.compile(r"(?P<folder>.*/)(?P<year>\d{4})-\d\d-\d\d(?P<suffix>\.[^/]*)")


class Format(NamedTuple):
    """How files of a kind are named, written and read."""

    suffix: str
    write: Callable[[pyarrow.Table, Table], bytes]
    read: Callable[[bytes, Table, str], pyarrow.Table]


FORMATS = {
    "jsonl": Format(".jsonl.gz", rows_to_json_lines, read_json_lines),
    "parquet": Format(".parquet", rows_to_parquet, read_parquet),
}


def year_file(table: Table, listener: str, year: str) -> str:
    """The key of the file that holds a year of a table that is made day by day.

    Lakes of an earlier layout have a file for each day instead, in the same folder.
    """
    folder = f"{table.folder}/listener={listener}/" + (f"year={year}/" if table.year_of else "")
    return f"{folder}{year}{FORMATS[table.format].suffix}"


def year_of_day_file(key: str) -> str | None:
    """The key of the file of the year that a day's own file is replaced by; None where it is no such file."""
    found = _DAY_FILE.fullmatch(key)
    return f"{found['folder']}{found['year']}{found['suffix']}" if found else None


def year_of(key: str) -> str:
    """The year that a file of a table that is made day by day is of, or that its one day is of."""
    return key.rpartition("/")[2][: len("2025")]


def day_of_rows(rows: pyarrow.Table, table: Table) -> pyarrow.ChunkedArray:
    """By row the day that it is of, YYYY-MM-DD, in a table that is made day by day."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    return rows.column(table.day_of).cast(pa.string())


class StoredTable:
    """A table's files, all or those of some partitions, read when they are asked for.

    Which files there are is looked up once. A partition that has none is no error, but empty.
    """

    def __init__(self, storage: Storage, table: Table, partitions: Collection[str] | None = None) -> None:
        self.table = table
        self._storage = storage
        self._partitions = None if partitions is None else frozenset(partitions)
        self.damaged: list[str] = []
        """The keys of the objects that `batches` found damaged, so far."""

    def listeners(self) -> list[str]:
        """The ids of the listeners of whom there are files, sorted."""
        return sorted(self._keys)

    def keys(self, listener: str) -> list[str]:
        """The keys of a listener's files, sorted."""
        return self._keys.get(listener, [])

    def frame(self, listener: str, columns: Collection[str] = ()) -> pd.DataFrame:
        """A listener's rows, in the order of the files' keys.

        A typed frame of the table's columns, or of those that are asked for; of a raw table also what the path says:
        `export` or `dt`, and `file`, the object's name, where the rows themselves name no file.

        Raises:
            UnreadableFile: a file does not hold what the table declares.
        """
        table = narrowed(self.table, columns) if columns else self.table
        return self._as_frame(self._read(self.keys(listener), table), table)

    def frames(self, listener: str) -> dict[str, pd.DataFrame]:
        """The same by day, of a table that is received or made day by day, for the days that have rows.

        Raises:
            UnreadableFile: a file does not hold what the table declares.
        """
        frame = self.frame(listener)
        days = frame[self.table.day_of].dt.strftime("%Y-%m-%d") if self.table.day_of else frame["dt"]
        return {str(day): of_day.reset_index(drop=True) for day, of_day in frame.groupby(days.to_numpy())}

    def batches(self, listener: str) -> Iterator[pd.DataFrame]:
        """The same as `frame`, of a table of answers, a month at a time: a year of polls is half a gigabyte.

        Of an object that is damaged, the good lines are there; what is left of the others is one row, with the instant
        that the object's name tells. `problem` says so there, and is null in all other rows.
        """
        for _, some in groupby(self.keys(listener), key=lambda key: path_values(key)["dt"][:_MONTH]):
            keys = list(some)
            with ThreadPoolExecutor(THREADS) as pool:
                read = dict(zip(keys, pool.map(self._as_far_as_readable, keys), strict=True))
            frame = self._as_frame({key: lines for key, (lines, _) in read.items()}, self.table).assign(problem=None)
            left = {key: (lines.num_rows, rest) for key, (lines, rest) in read.items() if rest is not None}
            self.damaged += left
            rows = pd.DataFrame([_what_is_left(key, *behind) for key, behind in left.items()])
            yield pd.concat([frame, rows], ignore_index=True) if left else frame

    def _as_far_as_readable(self, key: str) -> tuple[pyarrow.Table, str | None]:
        """The lines of an object, and what is left of those that cannot be read; None where all can."""
        content = self._storage.read(key)
        with suppress(UnreadableFile):
            lines = read_json_lines(content, self.table, key)
            if lines.num_rows:  # a pull without an answer is not kept: a file without a line has lost them
                return lines, None
        return salvaged_json_lines(content, self.table)

    @cached_property
    def _keys(self) -> Mapping[str, list[str]]:
        days = self._partitions if self.table.layer == "raw" else None  # else days are in the files
        by_listener = keys_of(self._storage, self.table, since=min(days, default=None) if days is not None else None)
        return {listener: found for listener, keys in by_listener.items() if (found := _in_force(keys, days))}

    def _read(self, keys: list[str], table: Table) -> dict[str, pyarrow.Table]:
        with ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(keys, pool.map(lambda key: self._of_partitions(key, table), keys), strict=True))

    def _of_partitions(self, key: str, table: Table) -> pyarrow.Table:
        import pyarrow as pa  # noqa: PLC0415 - heavy
        import pyarrow.compute as pc  # noqa: PLC0415

        read, content = FORMATS[table.format].read, self._storage.read(key)
        if self._partitions is None or self.table.day_of is None:
            return read(content, table, key)
        rows = read(content, self.table, key)
        are_of_them = pc.is_in(day_of_rows(rows, self.table), pa.array(sorted(self._partitions), pa.string()))
        return rows.filter(are_of_them).select(table.column_names)

    def _as_frame(self, found: Mapping[str, pyarrow.Table], table: Table) -> pd.DataFrame:
        frame = to_frame(found.values(), table)
        if table.layer == "raw":
            in_path = [key.name for key in self.table.partition_keys if key.name != "listener"]
            for name in (*in_path, "file"):
                if name not in frame:
                    said = [(path_values(key) | {"file": object_name(key)})[name] for key in found]
                    rows = [file.num_rows for file in found.values()]
                    frame[name] = pd.Series(said, dtype="str").repeat(rows).array
        return frame


def _what_is_left(key: str, page: int, rest: str) -> dict[str, object]:
    """The row that stands for the lines of an object that cannot be read, behind `page` good ones."""
    said = {"pulled_at": instant_of(key), "endpoint": "", "page": page, "payload": rest, "problem": DAMAGED}
    return said | {"dt": path_values(key)["dt"], "file": object_name(key)}


def keys_of(storage: Storage, table: Table, *, since: str | None = None) -> dict[str, list[str]]:
    """The keys of a table's files by listener, sorted.

    Args:
        storage: the lake's.
        table: the table.
        since: of a table that is received day by day, the first day, YYYY-MM-DD; earlier ones are not even listed.
    """
    if since is None:
        listed = storage.list(table.folder)
    else:
        folders = [f"{table.folder}/{name}" for name in storage.folders(table.folder)]
        listed = [stored for folder in folders for stored in storage.list(folder, f"{folder}/dt={since}")]
    keys: dict[str, list[str]] = {}
    for stored in listed:
        keys.setdefault(path_values(stored.key)["listener"], []).append(stored.key)
    return keys


def _in_force(keys: list[str], days: Collection[str] | None) -> list[str]:
    """Those that are to be read: of these days, and no day whose year has a file: it is in there, and about to go."""
    present = set(keys)
    return [
        key for key in keys if year_of_day_file(key) not in present and (days is None or path_values(key)["dt"] in days)
    ]
