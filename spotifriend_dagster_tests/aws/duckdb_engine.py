"""DuckDB in the place of Athena's engine: quick, by the project's own dialect, and as strict with files as Trino."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.dialect.types import OF_GLUE
from spotifriend_dagster_tests.aws.athena import Answer
from spotifriend_dagster_tests.aws.planning import File, GlueTable, Plan, QueryFailed

_ARROW_TYPES = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("ms"),
    "date": pa.date32(),
    "array<string>": pa.list_(pa.string()),
}
# Which columns of files Trino 435 reads as which type; test_athena_on_trino.py asks it.
READABLE = {
    "int32": ("bigint", "int", "date"),
    "int64": ("bigint", "int", "date"),
    "double": ("double",),
    "float": ("double",),
    "string": ("string",),
    "bool": ("boolean",),
    "date32[day]": ("date",),
    "timestamp": ("timestamp", "bigint"),
    "list": ("array<string>",),
}
# What the dialect need not know, as only what is sent to Athena says it: an array as a text, for the CSV.
_ARRAY_AS_JSON = re.compile(r'json_format\(CAST\((?P<array>[\w."]+) AS JSON\)\) AS "(?P<name>[^"]+)"')


class DuckDBEngine:
    """Runs queries in memory, each in a database of its own."""

    def __init__(self, region: str) -> None:
        self.region = region

    def run(self, sql: str, _database: str, plan: Plan) -> Answer:
        """The rows of a query, in Athena's types.

        Raises:
            QueryFailed: the dialect refuses the query, or it fails on the data.
        """
        as_json = {found["name"] for found in _ARRAY_AS_JSON.finditer(sql)}
        sql = _ARRAY_AS_JSON.sub(r'\g<array> AS "\g<name>"', sql)
        schema = {name: table.all_columns for name, table in plan.tables.items()}
        try:
            duckdb_sql = dialect.to_duckdb(sql, schema)
            outputs = dialect.output_types(sql, schema)
        except dialect.SQLError as error:
            raise QueryFailed(f"SYNTAX_ERROR: line 1:1: {error}") from error
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            for name, table in plan.tables.items():
                database.register(name, _rows(table, plan))
            try:
                found = database.sql(duckdb_sql).to_arrow_table()
            except duckdb.Error as error:
                raise QueryFailed(f"GENERIC_USER_ERROR: {str(error).splitlines()[0]}") from error
        fields = [pa.field(name, _ARROW_TYPES.get(type_, pa.null())) for name, type_ in outputs]
        columns = [column.cast(field.type) for column, field in zip(found.columns, fields, strict=True)]
        types = tuple(OF_GLUE.get(type_, "unknown") for _, type_ in outputs)
        answer = Answer(pa.Table.from_arrays(columns, schema=pa.schema(fields)), types)
        for place, (name, _) in enumerate(outputs):
            if name in as_json:
                answer = _with_texts(answer, place)
        return answer


def _with_texts(answer: Answer, place: int) -> Answer:
    """The answer with the texts of JSON of an array in its place."""
    values = answer.rows.column(place).to_pylist()
    texts = pa.array([None if value is None else orjson.dumps(value).decode() for value in values], pa.string())
    name = answer.rows.column_names[place]
    types = (*answer.types[:place], "varchar", *answer.types[place + 1 :])
    return Answer(answer.rows.set_column(place, name, texts), types)


def _rows(table: GlueTable, plan: Plan) -> pa.Table:
    """The rows of the files that the plan names, with the columns and types of Glue; unread columns are null."""
    types = {name: _ARROW_TYPES[type_] for name, type_ in table.all_columns.items()}
    schema = pa.schema(list(types.items()))
    wanted = plan.columns(table.name)
    parts = [schema.empty_table()]
    for partition in plan.partitions(table.name):
        for file in partition.files:
            found, rows = (_json if table.is_json else _parquet)(file, table, wanted)
            keys = {key: pa.repeat(pa.scalar(value, types[key]), rows) for key, value in partition.values.items()}
            columns = {**found, **keys}
            arrays = [columns.get(name, pa.nulls(rows, type_)) for name, type_ in types.items()]
            parts.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(parts)


def _parquet(file: File, table: GlueTable, wanted: frozenset[str]) -> tuple[Mapping[str, Any], int]:
    try:
        parquet = pq.ParquetFile(pa.BufferReader(file.content()))
    except pa.ArrowInvalid as error:
        raise QueryFailed(f"HIVE_BAD_DATA: Not valid Parquet file: {file.uri}") from error
    held = {field.name: field.type for field in parquet.schema_arrow}
    for name in sorted(wanted.intersection(held)):
        if table.columns[name] not in READABLE.get(_kind(held[name]), ()):
            raise QueryFailed(
                f"HIVE_BAD_DATA: Field {name}'s type {held[name]} in parquet file {file.uri} is incompatible with type "
                f"{OF_GLUE[table.columns[name]]} defined in table schema"
            )
    read = parquet.read(columns=sorted(wanted.intersection(held)))
    return {name: _as(read.column(name), table.columns[name]) for name in read.column_names}, parquet.metadata.num_rows


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_timestamp(type_):
        return "timestamp"
    return "list" if pa.types.is_list(type_) else str(type_)


def _as(values: pa.ChunkedArray, type_: str) -> pa.ChunkedArray:
    """What a file holds, as Trino reads it: instants are rounded to milliseconds, and lose their zone."""
    if pa.types.is_timestamp(values.type):
        if type_ == "bigint":
            return values.cast(pa.int64())
        import pyarrow.compute as pc

        naive = values.cast(pa.timestamp(values.type.unit))
        if values.type.unit in ("us", "ns"):
            naive = pc.round_temporal(naive, 1, "millisecond")
        return naive.cast(pa.timestamp("ms"))
    if type_ == "date" and not pa.types.is_date(values.type):
        return values.cast(pa.int32()).cast(pa.date32())
    return values.cast(_ARROW_TYPES[type_])


def _json(file: File, table: GlueTable, wanted: frozenset[str]) -> tuple[Mapping[str, Any], int]:
    """JSON Lines as the OpenX SerDe reads them: names in any case; what is no text is its JSON where a text is due."""
    content = file.content()
    lines = (gzip.decompress(content) if file.key.endswith(".gz") else content).split(b"\n")
    rows = []
    for line in filter(None, lines):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise QueryFailed(f"HIVE_BAD_DATA: Error Parsing a column in the table: {file.uri}: {error}") from error
        rows.append({name.lower(): value for name, value in row.items()})
    return {name: _of_json([row.get(name) for row in rows], table.columns[name], file) for name in wanted}, len(rows)


def _of_json(values: list[Any], type_: str, file: File) -> pa.Array:
    if type_ == "string":
        values = [
            value if value is None or isinstance(value, str) else orjson.dumps(value).decode() for value in values
        ]
    try:
        return pa.array(values, _ARROW_TYPES[type_])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise QueryFailed(f"HIVE_BAD_DATA: Error Parsing a column in the table: {file.uri}: {error}") from error
