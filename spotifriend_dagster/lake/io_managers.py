"""How an asset's output becomes a table's files, and files an input: the one place in the lake that knows Dagster.

A file is `<folder>/listener=<id>/[year=<YYYY>/]<partition or "part">`, with its format's suffix. What it holds is in
`parquet.py` and `json_lines.py`; raw objects are written by `pulls.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
import pandas as pd

from spotifriend_dagster.lake.json_lines import read_json_lines, rows_to_json_lines
from spotifriend_dagster.lake.parquet import read_parquet, rows_to_parquet, to_arrow, to_frame
from spotifriend_dagster.lake.pulls import object_name
from spotifriend_dagster.lake.storage import Storage, path_values
from spotifriend_dagster.tables.declaration import Table, narrowed
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.rendering import markdown_table

if TYPE_CHECKING:
    import pyarrow

_TABLES = {table.folder: table for table in DECLARED_TABLES}
_UNPARTITIONED = "part"
_PREVIEWED_ROWS = 5
_MONTH = len("2025-01")
_THREADS = 4  # packing and unpacking leave Python's lock; an object store answers several requests at once


class _Format(NamedTuple):
    suffix: str
    write: Callable[[pyarrow.Table, Table], bytes]
    read: Callable[[bytes, Table, str], pyarrow.Table]


_FORMATS = {
    "jsonl": _Format(".jsonl.gz", rows_to_json_lines, read_json_lines),
    "parquet": _Format(".parquet", rows_to_parquet, read_parquet),
}


def table_of(asset_key_path: Iterable[str]) -> Table:
    """The raw or cleaned table that an asset is: the asset's key is the table's folder.

    Raises:
        KeyError: no table has that folder.
    """
    return _TABLES["/".join(asset_key_path)]


@dataclass(frozen=True)
class Part:
    """What an output says of one listener, as a typed frame: all rows, or those of one partition."""

    listener: str
    frame: pd.DataFrame
    partition: str | None = None
    _rows: list[pyarrow.Table] = field(default_factory=list, repr=False, compare=False)

    def rows(self, table: Table) -> pyarrow.Table:
        """The frame as it is stored, made once: it is audited, then written."""
        if not self._rows:
            self._rows.append(to_arrow(self.frame, table))
        return self._rows[0]


def daily_parts(
    listener: str, frame: pd.DataFrame, table: Table, day_of_row: pd.Series, days: Iterable[str]
) -> Iterator[Part]:
    """What an output says of each of several days: a part for each, also for one that has no rows.

    Args:
        listener: whose.
        frame: a typed frame, in which the rows of a day lie together, the days in their order.
        table: its table.
        day_of_row: by row of the frame, its day, YYYY-MM-DD.
        days: the days, in their order; every row is of one of them.
    """
    rows, begin = to_arrow(frame, table), 0
    sizes = day_of_row.value_counts()
    for day in days:
        size = int(sizes.get(day, 0))
        yield Part(listener, frame.iloc[begin : begin + size], day, [rows.slice(begin, size)])
        begin += size
    if begin != len(frame):
        raise ValueError(f"Rows of {table.name} are of other days than {', '.join(days)}.")


class StoredTable:
    """An input: a table's files, all or those of some partitions, read when they are asked for.

    Which files there are is looked up once. A partition that has none is no error, but empty.
    """

    def __init__(self, storage: Storage, table: Table, partitions: Collection[str] | None = None) -> None:
        self.table = table
        self._storage = storage
        self._partitions = None if partitions is None else frozenset(partitions)

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
        """The same by partition, for those that have files.

        Raises:
            UnreadableFile: a file does not hold what the table declares.
        """
        by_partition: dict[str, dict[str, pyarrow.Table]] = {}
        for key, found in self._read(self.keys(listener), self.table).items():
            by_partition.setdefault(_partition(key), {})[key] = found
        return {partition: self._as_frame(found, self.table) for partition, found in sorted(by_partition.items())}

    def batches(self, listener: str) -> Iterator[pd.DataFrame]:
        """The same as `frame`, a month of partitions at a time: a year of polls is half a gigabyte.

        Raises:
            UnreadableFile: a file does not hold what the table declares.
        """
        keys = sorted(self.keys(listener), key=_partition)
        for _, some in groupby(keys, key=lambda key: _partition(key)[:_MONTH]):
            yield self._as_frame(self._read(list(some), self.table), self.table)

    @cached_property
    def _keys(self) -> Mapping[str, list[str]]:
        keys: dict[str, list[str]] = {}
        for stored in self._storage.list(self.table.folder):
            if self._partitions is None or _partition(stored.key) in self._partitions:
                keys.setdefault(path_values(stored.key)["listener"], []).append(stored.key)
        return keys

    def _read(self, keys: list[str], table: Table) -> dict[str, pyarrow.Table]:
        read = _FORMATS[table.format].read
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(lambda key: read(self._storage.read(key), table, key), keys)
            return dict(zip(keys, found, strict=True))

    def _as_frame(self, found: Mapping[str, pyarrow.Table], table: Table) -> pd.DataFrame:
        frame = to_frame(found.values(), table)
        if table.layer == "raw":
            in_path = [key.name for key in table.partition_keys if key.name != "listener"]
            for name in (*in_path, "file"):
                if name not in frame:
                    said = [(path_values(key) | {"file": object_name(key)})[name] for key in found]
                    rows = [file.num_rows for file in found.values()]
                    frame[name] = pd.Series(said, dtype="str").repeat(rows).array
        return frame


class TableIOManager(dg.IOManager):
    """Writes what an asset says of its table, one listener at a time, and hands stored tables to the next asset.

    How a table is stored follows from its declaration, so that one manager serves JSON Lines and Parquet.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def handle_output(self, context: dg.OutputContext, obj: Iterable[Part]) -> None:
        """Write the parts, each to files of its own, and note in the metadata what was written.

        A part of a partition is one file, also when it has no rows: that it is there says that the day was worked
        through. A part without a partition is all that the table says of that listener: older files of theirs that it
        did not write are removed, after its own are there. Of whom or what no part speaks, everything stays.

        Raises:
            ValueError: a part is of a partition that this run is not about, or a listener's part comes twice.
            StorageFull: no space is left; a file that was not yet replaced is as it was.
        """
        table = table_of(context.asset_key.path)
        partitions: list[str | None] = [*context.asset_partition_keys] if context.has_asset_partitions else [None]
        written = {partition: _Written() for partition in partitions}
        with ThreadPoolExecutor(_THREADS) as pool:
            for part in obj:
                if part.partition not in written or part.listener in written[part.partition].listeners:
                    raise ValueError(
                        f"The part of {table.folder} for listener {part.listener}, partition {part.partition}, is not "
                        "what this run is about, or comes twice."
                    )
                written[part.partition].add(part, self._write(table, part, pool))
                del part  # before the next listener's is made
        context.add_output_metadata({"dagster/uri": self._storage.uri(table.folder + "/")})
        for partition in partitions:
            said = written[partition].metadata(table, partition, with_preview=len(partitions) == 1)
            if len(partitions) == 1:
                context.add_output_metadata(said)
            else:
                context.step_context.add_asset_metadata(said, context.asset_key, partition)

    def load_input(self, context: dg.InputContext) -> StoredTable:
        """A handle on the table; nothing is read yet."""
        return StoredTable(self._storage, table_of(context.asset_key.path), _partitions_read(context))

    def _write(self, table: Table, part: Part, pool: Executor) -> int:
        """Replace the files of a part; gives the bytes written."""
        folder = f"{table.folder}/listener={part.listener}"
        files = {f"{folder}/{name}": rows for name, rows in _files(table, part)}  # of Arrow: packed without a copy

        def write(key: str) -> int:
            content = _FORMATS[table.format].write(files[key], table)
            self._storage.write(key, content)
            return len(content)

        size = sum(pool.map(write, files))
        if part.partition is None:
            self._storage.delete(stored.key for stored in self._storage.list(folder) if stored.key not in files)
        return size


@dataclass
class _Written:
    """What an output wrote for one partition, or for all."""

    rows: int = 0
    size: int = 0
    listeners: set[str] = field(default_factory=set)
    first: Part | None = None

    def add(self, part: Part, size: int) -> None:
        self.rows += len(part.frame)
        self.size += size
        self.listeners.add(part.listener)
        if self.first is None and len(part.frame):
            self.first = Part(part.listener, part.frame.head(_PREVIEWED_ROWS).copy())

    def metadata(self, table: Table, partition: str | None, *, with_preview: bool) -> dict[str, Any]:
        said: dict[str, Any] = {
            "dagster/row_count" if partition is None else "dagster/partition_row_count": self.rows,
            "bytes": self.size,
            "listeners": len(self.listeners),
        }
        if with_preview and self.first is not None:
            rows = self.first.rows(table).to_pylist()
            cells = [[self.first.listener, *("" if value is None else value for value in row.values())] for row in rows]
            said["preview"] = dg.MetadataValue.md(markdown_table(("listener", *table.column_names), cells))
        return said


def _partitions_read(context: dg.InputContext) -> Collection[str] | None:
    """The partitions that the reading asset is about; None where it has no partitions: then it reads all there are."""
    reader = context.step_context.assets_def
    if not context.has_asset_partitions or reader is None or reader.partitions_def is None:
        return None
    return context.asset_partition_keys


def _files(table: Table, part: Part) -> Iterator[tuple[str, pyarrow.Table]]:
    """The files of a part, named within the listener's folder, each with its rows."""
    name = f"{part.partition or _UNPARTITIONED}{_FORMATS[table.format].suffix}"
    rows = part.rows(table)
    if table.year_of is None:
        yield name, rows
    elif part.partition is not None:
        yield f"year={part.partition[:4]}/{name}", rows
    else:
        years = part.frame[table.year_of].dt.year.to_numpy()
        for year in sorted(set(years)):
            yield f"year={year:04d}/{name}", rows.filter(years == year)


def _partition(key: str) -> str:
    """The Dagster partition that a file belongs to: the day in its path, else its name."""
    return path_values(key).get("dt") or key.rpartition("/")[2].partition(".")[0]
