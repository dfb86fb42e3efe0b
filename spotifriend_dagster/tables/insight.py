"""Insight tables: read from `insights/*.sql`, where a header declares what the query below it gives.

The header is YAML in the file's first comment: `description`, `grain`, and `columns` in the query's order. A column
that the query creates says its type (with `!` where it is never null) and its meaning; one that it passes on says only
where it comes from, and inherits both (`!` and `?` change whether it may be null):

    listener: plays.listener
    listens: bigint! Plays of at least 30 s.
    artist_name: plays.artist_name!

The first column is the listener, by which the rows are stored. Running a query belongs to `lake/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, get_args

import yaml

from spotifriend_dagster.tables.declaration import Column, ColumnType, Table
from spotifriend_dagster.tables.declared import DECLARED_TABLES

_HEADER = re.compile(r"\s*/\*(?P<header>.*?)\*/(?P<query>.*)", re.DOTALL)
_CREATED = re.compile(r"(?P<type>[a-z<>]+)(?P<never_null>!?)\s+(?P<description>\S.*)", re.DOTALL)
_INHERITED = re.compile(r"(?P<table>\w+)\.(?P<column>\w+)(?P<null>[!?]?)")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_READS = re.compile(r"\b(?:from|join)\s+(\w+)", re.IGNORECASE)
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one reads all headers in a few milliseconds


@dataclass(frozen=True)
class Insight:
    """An insight table and the query that makes it.

    `query` is one SELECT in Athena's dialect over catalog tables; `reads` are those it names, by name.
    """

    table: Table
    query: str
    reads: tuple[str, ...]


def parse_insight(name: str, text: str, known: Mapping[str, Table]) -> Insight:
    """The insight that an SQL file declares.

    Args:
        name: the table's name, which is the file's.
        text: the file's content.
        known: the tables whose columns it may read and inherit, by name.

    Raises:
        ValueError: the header is missing or malformed, or inherits from what is not there.
    """
    match = _HEADER.match(text)
    if match is None:
        raise ValueError(f"insights/{name}.sql has no header: it begins with a comment that declares the table.")
    try:
        header: dict[str, Any] = yaml.load(match["header"], Loader=_SAFE_LOADER)  # noqa: S506 - a safe loader
        listener, *columns = (_column(column, str(said), known) for column, said in header["columns"].items())
        if (listener.name, listener.type, listener.nullable) != ("listener", "string", False):
            raise ValueError("its first column is not `listener: <table>.listener`")
        table = Table(
            name=name,
            layer="insights",
            folder=f"insights/{name}",
            description=" ".join(header["description"].split()),
            grain=tuple(header["grain"]),
            columns=tuple(columns),
            partition_keys=(listener,),
        )
        if "listener" not in table.grain:
            raise ValueError("its grain does not name the listener")
    except (KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"The header of insights/{name}.sql cannot be read: {error}") from error
    query = match["query"].strip().rstrip(";")
    return Insight(table=table, query=query, reads=_tables_read(query, known))


def every_table() -> dict[str, Table]:
    """Every table of the lake by name: those that are declared in Python, and the insights'."""
    return {table.name: table for table in (*DECLARED_TABLES, *(each.table for each in load_insights().values()))}


def load_insights(texts: Mapping[str, str] | None = None) -> dict[str, Insight]:
    """Every insight, by name, those that others read first.

    Args:
        texts: SQL files by table name; by default those in `insights/`.

    Raises:
        ValueError: a header cannot be read, or insights read each other in a circle.
    """
    waiting = dict(sorted((texts if texts is not None else _shipped_texts()).items()))
    known: dict[str, Table] = {table.name: table for table in DECLARED_TABLES}
    loaded: dict[str, Insight] = {}
    while waiting:
        ready = [name for name, text in waiting.items() if not (_names_read(text) & waiting.keys() - {name})]
        if not ready:
            raise ValueError(f"These insights read each other in a circle: {', '.join(waiting)}.")
        for name in ready:
            loaded[name] = parse_insight(name, waiting.pop(name), known)
            known[name] = loaded[name].table
    return loaded


def _shipped_texts() -> dict[str, str]:
    folder = files("spotifriend_dagster") / "insights"
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


def _column(name: str, said: str, known: Mapping[str, Table]) -> Column:
    if inherited := _INHERITED.fullmatch(said.strip()):
        source = known[inherited["table"]].column(inherited["column"])
        nullable = {"!": False, "?": True, "": source.nullable}[inherited["null"]]
        return replace(source, name=name, nullable=nullable)
    created = _CREATED.fullmatch(said.strip())
    if created is None or created["type"] not in get_args(ColumnType):
        raise ValueError(f"column {name} says neither `type meaning` nor `table.column`: {said!r}")
    return Column(name, created["type"], " ".join(created["description"].split()), not created["never_null"])  # type: ignore[arg-type]


def _names_read(text: str) -> set[str]:
    return {name.lower() for name in _READS.findall(_COMMENT.sub(" ", text))}


def _tables_read(query: str, known: Mapping[str, Table]) -> tuple[str, ...]:
    # Scanned, not parsed: a parser would double the time in which the code location loads. The engine, which parses,
    # holds this list against what the query really reads.
    return tuple(sorted(_names_read(query) & known.keys()))
