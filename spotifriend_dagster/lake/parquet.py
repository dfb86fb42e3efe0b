"""Typed frames as Parquet, by the schema that the table's declaration gives. Which key they go to is not known here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pandas as pd

from spotifriend_dagster.lake.storage import StorageError
from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.frames import dtype
from spotifriend_dagster.tables.rendering import arrow_schema

if TYPE_CHECKING:
    import pyarrow

_WORTH_THREADS = 1 << 20  # bytes: below, starting threads costs more than they save


class UnreadableFile(StorageError):
    """A file does not hold what its table declares; the message names the file and the cure."""


class DamagedFile(UnreadableFile):
    """Part of a file is missing or overwritten: it is not of another declaration, but no whole file at all."""


def to_parquet(frame: pd.DataFrame, table: Table) -> bytes:
    """A typed frame (`tables/frames.py`) as the content of a Parquet file; equal frames give equal bytes.

    Raises:
        ValueError: the frame is not one of that table.
    """
    return rows_to_parquet(to_arrow(frame, table), table)


def rows_to_parquet(rows: pyarrow.Table, table: Table) -> bytes:
    """The same of rows as `to_arrow` gives them."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    target = BytesIO()
    pq.write_table(
        rows,
        target,
        compression="zstd",
        # Numbers and instants repeat too little: for them a dictionary is tried in vain, in a third of the time.
        use_dictionary=[column.name for column in table.columns if column.type == "string"],
        store_schema=False,
    )
    return target.getvalue()


def to_arrow(frame: pd.DataFrame, table: Table) -> pyarrow.Table:
    """A typed frame as it is stored: naive timestamps in milliseconds, days, plain strings.

    Raises:
        ValueError: the frame is not one of that table.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    if tuple(frame.columns) != table.column_names:
        raise ValueError(f"A frame of columns {list(frame.columns)} is not one of table {table.name}.")
    schema = arrow_schema(table)
    try:
        return pa.Table.from_arrays([_to_arrow(frame[field.name], field.type) for field in schema], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"A frame does not fit table {table.name}: {error}") from error


def read_parquet(content: bytes, table: Table, key: str) -> pyarrow.Table:
    """The content of a Parquet file, with exactly the declared columns and types.

    A nullable column that the file does not have yet, because it was declared later, is null in every row.

    Args:
        content: the file's content.
        table: the table it belongs to.
        key: the file's key, for messages.

    Raises:
        UnreadableFile: it is no Parquet, or a column is missing or of another type.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            found = file.read(list(table.column_names), use_threads=len(content) > _WORTH_THREADS)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFile(f"{key} is no whole Parquet file ({error}): {_cure(table)}") from error
    return checked(found, table, key)


def has_every_column(content: bytes, table: Table) -> bool:
    """Whether the content of a whole Parquet file has all columns that its table declares now."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    return {*table.column_names} <= {*pq.read_schema(pa.BufferReader(content)).names}


def checked(found: pyarrow.Table, table: Table, key: str) -> pyarrow.Table:
    """What a file holds, with exactly the declared columns and types; see `read_parquet`.

    Raises:
        UnreadableFile: a column that is never null is missing or holds a null, or a column is of another type.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    schema = arrow_schema(table)
    columns = []
    for column, field in zip(table.columns, schema, strict=True):
        if column.name in found.column_names:
            values = found.column(column.name)
        else:
            values = pa.chunked_array([pa.nulls(found.num_rows, field.type)])
        if values.type != field.type:
            raise UnreadableFile(f"Column {column.name} of {key} is {values.type}, not {field.type}: {_cure(table)}")
        if values.null_count and not column.nullable:
            raise UnreadableFile(f"Column {column.name} of {key} is never null, but a row has none: {_cure(table)}")
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=schema)


def to_frame(found: Iterable[pyarrow.Table], table: Table) -> pd.DataFrame:
    """What was read from files, one after the other, as one typed frame (`tables/frames.py`)."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    schema = arrow_schema(table)
    whole = pa.concat_tables([schema.empty_table(), *found])
    return pd.DataFrame({column.name: _to_pandas(whole.column(column.name), column) for column in table.columns})


def _cure(table: Table) -> str:
    if table.layer == "raw":  # it cannot be made again from anything in the lake
        return "put back a copy of the file, or remove it."
    return f"materialize {table.folder} again."


def _to_arrow(series: pd.Series, type_: pyarrow.DataType) -> pyarrow.Array:
    import pyarrow as pa  # noqa: PLC0415 - heavy

    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert(None)
    values = pa.array(series, from_pandas=True, type=type_ if series.dtype == object else None)
    if isinstance(values, pa.ChunkedArray):  # where a frame was put together must not show in the file
        values = values.combine_chunks()
    return values.cast(type_)


def _to_pandas(values: pyarrow.ChunkedArray, column: Column) -> Any:
    """The values as the array, of numpy's or of an extension, that a typed frame has there."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    if column.type == "array<string>":
        return pd.Series(values.to_pylist(), dtype="object")
    if column.type == "date":
        values = values.cast(pa.timestamp("s"))
    type_ = _pandas_type(column)
    if hasattr(type_, "__from_arrow__"):
        return type_.__from_arrow__(values)
    return values.to_numpy()


@cache
def _pandas_type(column: Column) -> Any:
    return pd.api.types.pandas_dtype(dtype(column))
