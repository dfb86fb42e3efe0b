"""What Athena would list and read for a query: Glue's tables, their projected partitions, the files in them.

Everything is read straight from moto's memory. Running the query belongs to the engines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from moto.core import DEFAULT_ACCOUNT_ID
from moto.glue.models import glue_backends
from moto.s3.models import s3_backends
from sqlglot import exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

_LISTED_AT_ONCE = 1000
_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between)
_SIMPLE = (*_COMPARED, exp.And, exp.Or, exp.Paren, exp.Column, exp.Identifier, exp.Literal, exp.Tuple, exp.Neg)


class QueryFailed(Exception):
    """Athena would end the query in the state FAILED, for this reason."""

    def __init__(self, reason: str, *, is_retryable: bool = False) -> None:
        super().__init__(reason)
        self.is_retryable = is_retryable


@dataclass(frozen=True)
class File:
    """An object in S3, as a listing found it."""

    bucket: str
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        """Its address."""
        return f"s3://{self.bucket}/{self.key}"

    def content(self) -> bytes:
        """What it holds now.

        Raises:
            QueryFailed: it was removed since it was listed.
        """
        found = _objects(self.bucket).get(self.key)
        if found is None:
            raise QueryFailed(f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {self.uri}: No such key")
        content: bytes = found.value
        return content


@dataclass(frozen=True)
class Partition:
    """A folder of a table, what it stands for, and its files."""

    values: Mapping[str, Any]
    location: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class GlueTable:
    """A table as Glue has it."""

    name: str
    definition: Mapping[str, Any]

    @cached_property
    def columns(self) -> dict[str, str]:
        """The Glue types of the columns inside the files."""
        return {column["Name"]: column["Type"] for column in self.definition["StorageDescriptor"]["Columns"]}

    @cached_property
    def keys(self) -> dict[str, str]:
        """The Glue types of the partition keys."""
        return {column["Name"]: column["Type"] for column in self.definition.get("PartitionKeys", [])}

    @property
    def all_columns(self) -> dict[str, str]:
        """Both."""
        return {**self.columns, **self.keys}

    @property
    def location(self) -> str:
        """Where its files are, ending in a slash."""
        location: str = self.definition["StorageDescriptor"]["Location"]
        return location.rstrip("/") + "/"

    @property
    def parameters(self) -> Mapping[str, str]:
        """Its properties."""
        return self.definition.get("Parameters", {})

    @property
    def is_json(self) -> bool:
        """Whether its files are JSON Lines, else Parquet."""
        library: str = self.definition["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
        if library == "org.openx.data.jsonserde.JsonSerDe":
            return True
        if library == "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe":
            return False
        raise QueryFailed(f"HIVE_UNSUPPORTED_FORMAT: the stand-in reads no {library}")


@dataclass(frozen=True)
class Scan:
    """What is read of one table at one place of a query."""

    table: GlueTable
    columns: frozenset[str]
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class Plan:
    """What is listed and read for a query.

    `partitions` are, by table, those that any place of the query reads.
    """

    scans: tuple[Scan, ...]
    tables: Mapping[str, GlueTable] = field(default_factory=dict)

    def partitions(self, table: str) -> list[Partition]:
        """The partitions of a table that any place of the query reads."""
        found = {
            partition.location: partition
            for scan in self.scans
            if scan.table.name == table
            for partition in scan.partitions
        }
        return list(found.values())

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table that any place of the query reads."""
        return frozenset(column for scan in self.scans if scan.table.name == table for column in scan.columns)

    @property
    def listings(self) -> int:
        """How often S3 is asked for a listing."""
        folders = [partition for scan in self.scans for partition in scan.partitions]
        return sum(max(1, -(-len(partition.files) // _LISTED_AT_ONCE)) for partition in folders)

    @property
    def reads(self) -> int:
        """How often S3 is asked for an object: a Parquet file for its end, then for its columns."""
        return sum(
            len(partition.files) * (1 if scan.table.is_json else 2)
            for scan in self.scans
            for partition in scan.partitions
        )

    @cached_property
    def bytes(self) -> int:
        """How many bytes Athena reads at most: of Parquet the columns that the query names, of JSON everything."""
        return sum(
            file.size if scan.table.is_json else _bytes_of_columns(file, scan.columns)
            for scan in self.scans
            for partition in scan.partitions
            for file in partition.files
        )


def billed_bytes(scanned: int) -> int:
    """How many bytes Athena has paid for a query that reads some: whole megabytes, and ten at least."""
    return max(10, -(-scanned // 1_000_000)) * 1_000_000


def plan(sql: str, database: str, region: str) -> Plan:
    """What Athena would list and read for a query.

    Predicates prune where Athena's surely do: comparisons of partition keys with literals that stand in the WHERE, or
    in the ON of an inner join, beside the table. So what is counted is never less than what Athena reads.

    Raises:
        QueryFailed: the query cannot be planned; the message is Athena's.
    """
    tree = _parsed(sql)
    tables = {name: glue_table(name, database, region) for name in sorted(_names(tree))}
    schema = {table.name: dict.fromkeys(table.all_columns, "varchar") for table in tables.values()}
    try:
        resolved = qualify(tree, dialect="trino", schema=schema, expand_alias_refs=False)
        resolved = pushdown_projections(resolved)
    except sqlglot.errors.SqlglotError as error:
        raise QueryFailed(f"COLUMN_NOT_FOUND: {error}") from error
    listing = _listing()
    scans = []
    for scope in traverse_scope(resolved):
        for alias, (_, source) in scope.selected_sources.items():
            if isinstance(source, exp.Table):
                table = tables[source.name.lower()]
                columns = frozenset(column.name for column in scope.source_columns(alias))
                partitions = _partitions(table, list(_predicates(scope.expression, alias, table)), listing, region)
                scans.append(Scan(table, columns.intersection(table.columns), tuple(partitions)))
    return Plan(tuple(scans), tables)


def glue_table(name: str, database: str, region: str) -> GlueTable:
    """A table of the database.

    Raises:
        QueryFailed: there is no such database or table.
    """
    backend = glue_backends[DEFAULT_ACCOUNT_ID][region]
    if database not in backend.databases:
        raise QueryFailed(f"SCHEMA_NOT_FOUND: line 1:1: Schema '{database}' does not exist")
    if name not in backend.databases[database].tables:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.{database}.{name}' does not exist")
    return GlueTable(name, backend.get_table(database, name).as_dict())


def split_uri(uri: str) -> tuple[str, str]:
    """The bucket and the key of an address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def files_in(uri: str) -> list[File]:
    """The objects below a prefix."""
    return _listing()(uri)


@lru_cache(10_000)
def _bytes_of_columns(file: File, columns: frozenset[str]) -> int:
    try:
        metadata = pq.read_metadata(pa.BufferReader(file.content()))
    except pa.ArrowInvalid:
        return file.size
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    in_columns = sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)
    return in_columns + metadata.serialized_size + 8


def _parsed(sql: str) -> exp.Expression:
    try:
        tree = sqlglot.parse_one(sql, dialect="trino")
    except sqlglot.errors.ParseError as error:
        raise QueryFailed(f"SYNTAX_ERROR: {error}") from error
    if not isinstance(tree, exp.Query):
        raise QueryFailed("NOT_SUPPORTED: the stand-in runs queries and UNLOAD, and nothing else")
    return tree


def _names(tree: exp.Expression) -> set[str]:
    scopes = traverse_scope(tree)
    return {
        source.name.lower() for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table)
    }


def _predicates(select: exp.Expression, alias: str, table: GlueTable) -> Iterator[exp.Expression]:
    """The conjuncts of a SELECT that compare partition keys of one of its tables with literals."""
    where = select.args.get("where")
    conditions = [where.this] if where else []
    inner = [join.args["on"] for join in select.args.get("joins") or () if not join.side and join.args.get("on")]
    for condition in (*conditions, *inner):
        for conjunct in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            columns = list(conjunct.find_all(exp.Column))
            of_table = all(column.table == alias and column.name in table.keys for column in columns)
            if columns and of_table and all(isinstance(node, _SIMPLE) for node in conjunct.walk()):
                yield conjunct


def _partitions(
    table: GlueTable, predicates: list[exp.Expression], listing: Callable[[str], list[File]], region: str
) -> Iterator[Partition]:
    """The folders of a table that a query reads: by projection where it is on, else those that Glue names."""
    if not table.keys:
        yield Partition({}, table.location, tuple(listing(table.location)))
        return
    if table.parameters.get("projection.enabled", "false").lower() != "true":
        yield from _registered(table, predicates, listing, region)
        return
    ranges = {}
    for key, type_ in table.keys.items():
        own = [each for each in predicates if {column.name for column in each.find_all(exp.Column)} == {key}]
        values = _projected(table, key, own)
        typed = [int(value) if type_ in ("int", "bigint") else value for value in values]
        ranges[key] = [value for value in typed if _holds(own, {key: value})]
    for combined in product(*ranges.values()):
        values = dict(zip(ranges, combined, strict=True))
        if _holds(predicates, values):
            location = _location(table, values)
            yield Partition(values, location, tuple(listing(location)))


def _registered(
    table: GlueTable, predicates: list[exp.Expression], listing: Callable[[str], list[File]], region: str
) -> Iterator[Partition]:
    found = glue_backends[DEFAULT_ACCOUNT_ID][region].databases[table.definition["DatabaseName"]].tables[table.name]
    for partition in found.partitions.values():
        texts = zip(table.keys.items(), partition.values, strict=True)
        values = {key: int(text) if type_ in ("int", "bigint") else text for (key, type_), text in texts}
        if _holds(predicates, values):
            location = partition.as_dict()["StorageDescriptor"]["Location"].rstrip("/") + "/"
            yield Partition(values, location, tuple(listing(location)))


def _projected(table: GlueTable, key: str, predicates: list[exp.Expression]) -> list[str]:
    """The values that a key may have, by the table's properties; nobody looks whether there are files for them."""
    said = {
        name.removeprefix(f"projection.{key}."): value
        for name, value in table.parameters.items()
        if name.startswith(f"projection.{key}.")
    }
    match said.get("type"):
        case "enum":
            return said["values"].split(",")
        case "integer":
            first, last = map(int, said["range"].split(","))
            digits = int(said.get("digits", "1"))
            return [str(value).zfill(digits) for value in range(first, last + 1, int(said.get("interval", "1")))]
        case "date":
            if said["format"] != "yyyy-MM-dd":
                raise QueryFailed(f"INVALID_TABLE_PROPERTY: the stand-in knows no {said['format']}")
            first_day, last_day = map(_day, said["range"].split(","))
            return [str(first_day + timedelta(days)) for days in range((last_day - first_day).days + 1)]
        case "injected":
            named = [
                literal.this
                for each in predicates
                if isinstance(each, exp.EQ)
                for literal in each.find_all(exp.Literal)
            ]
            if not named:
                raise QueryFailed(
                    f"CONSTRAINT_VIOLATION: For the injected projected partition column {key}, the WHERE clause must "
                    "contain only static equality conditions, and at least one such condition must be present."
                )
            return named
    raise QueryFailed(
        f"INVALID_TABLE_PROPERTY: Table {table.name} is configured for partition projection, but projection type for "
        f"column '{key}' is missing or invalid"
    )


def _day(text: str) -> date:
    if text == "NOW":
        return datetime.now(UTC).date()
    if shifted := re.fullmatch(r"NOW([+-]\d+)DAYS?", text):
        return datetime.now(UTC).date() + timedelta(int(shifted[1]))
    return date.fromisoformat(text)


def _location(table: GlueTable, values: Mapping[str, Any]) -> str:
    template = table.parameters.get("storage.location.template")
    if template is None:
        return table.location + "".join(f"{key}={value}/" for key, value in values.items())
    for key, value in values.items():
        template = template.replace(f"${{{key}}}", str(value))
    return template.rstrip("/") + "/"


def _holds(predicates: Iterable[exp.Expression], values: Mapping[str, Any]) -> bool:
    """Whether no predicate that speaks of these keys alone rules the values out."""
    return all(
        _evaluated(each, values)
        for each in predicates
        if {column.name for column in each.find_all(exp.Column)} <= values.keys()
    )


def _evaluated(node: exp.Expression, values: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one for each kind
    match node:
        case exp.And():
            return _evaluated(node.left, values) and _evaluated(node.right, values)
        case exp.Or():
            return _evaluated(node.left, values) or _evaluated(node.right, values)
        case exp.Paren():
            return _evaluated(node.this, values)
        case exp.Neg():
            return -_evaluated(node.this, values)
        case exp.Column():
            return values[node.name]
        case exp.Literal():
            return node.this if node.is_string else int(node.this)
        case exp.In():
            return _evaluated(node.this, values) in [_evaluated(each, values) for each in node.expressions]
        case exp.Between():
            low, high = _evaluated(node.args["low"], values), _evaluated(node.args["high"], values)
            return low <= _evaluated(node.this, values) <= high
    compared: Mapping[type, Callable[[Any, Any], bool]] = {
        exp.EQ: lambda left, right: left == right,
        exp.NEQ: lambda left, right: left != right,
        exp.GT: lambda left, right: left > right,
        exp.GTE: lambda left, right: left >= right,
        exp.LT: lambda left, right: left < right,
        exp.LTE: lambda left, right: left <= right,
    }
    return compared[type(node)](_evaluated(node.left, values), _evaluated(node.right, values))


def _objects(bucket: str) -> Mapping[str, Any]:
    buckets = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets
    if bucket not in buckets:
        raise QueryFailed(f"HIVE_METASTORE_ERROR: The specified bucket does not exist: {bucket}")
    objects: Mapping[str, Any] = buckets[bucket].keys
    return objects


def _listing() -> Callable[[str], list[File]]:
    """`listing(uri)` are the files below a prefix; the keys of a bucket are sorted once."""
    sorted_keys: dict[str, list[str]] = {}

    def listing(uri: str) -> list[File]:
        bucket, prefix = split_uri(uri)
        if bucket not in sorted_keys:
            sorted_keys[bucket] = sorted(_objects(bucket))
        keys = sorted_keys[bucket]
        found = []
        for key in keys[bisect_left(keys, prefix) : bisect_left(keys, prefix + "\U0010ffff")]:
            is_hidden = key.rpartition("/")[2].startswith(("_", "."))  # as Hive has it
            if (stored := _objects(bucket).get(key)) is not None and stored.size and not is_hidden:
                found.append(File(bucket, key, stored.size, stored.etag))
        return found

    return listing
