"""How messages speak of a query: its parts as they are written, and what may have been meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from sqlglot import exp

from spotifriend_dagster.lake.dialect.errors import UnsupportedSQL

_LONGEST = 80


def shown(node: exp.Expr) -> str:
    """A part of a query as Athena's SQL, cut where it is long."""
    text = node.sql(dialect="trino").replace('"', "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def perhaps(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known: the closest one that is."""
    near = get_close_matches(name.lower(), list(known), 1)
    return f"; did you mean {near[0]}?" if near else "."


def in_place(instead: str | None) -> str:
    """The end of a sentence about what is not supported: what to write instead, where there is such a thing."""
    return f"; write {instead}." if instead else "."


def first_line(error: Exception) -> str:
    """The first line of a message, as a sentence without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0].rstrip(".") + "."


def decimal_refused(node: exp.Expr) -> UnsupportedSQL:
    """The refusal of exact decimals, in which the engines round otherwise."""
    text = shown(node)
    if re.fullmatch(r"[\d.]+", text):
        return UnsupportedSQL(
            f"{text} is an exact decimal in Athena, which rounds otherwise: write the double {text}E0."
        )
    return UnsupportedSQL(f"{text} computes with exact decimals, which round otherwise: write doubles, 0.5E0.")
