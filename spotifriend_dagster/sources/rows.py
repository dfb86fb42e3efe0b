"""The rows of one file of a streaming history: bytes in, one JSON text per row out, private fields left behind.

A well-formed file takes a fast path. Any other is read element by element, so that its good rows are kept; text that
cannot be read is never passed on, because nobody can tell what is private in it. Finding files belongs to `exports`.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from types import NoneType
from typing import Any, Literal, TypedDict

import orjson

from spotifriend_dagster.sources.privacy import is_private, is_user_name, without_private

Kind = Literal["extended", "account"]

_SHAPES: dict[Kind, frozenset[str]] = {
    "extended": frozenset({"ts", "ms_played"}),
    "account": frozenset({"endTime", "msPlayed"}),
}
_FLAT = {str, int, bool, NoneType}
_JSON_TYPES = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}

_NO_LIST = "The file holds something else where a list of rows should be."
_NO_END = "The file ends before its list of rows does: it is cut off."
_DAMAGE = "No row can be read from character {:,} to {:,}: the file is damaged or cut off there."

# orjson makes a float of an integer that needs more than 64 bits: 19 digits in a row are the shortest that can.
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
_LONGEST_INTEGER = 4_000  # Python refuses to convert integers of more than 4,300 digits

_BETWEEN_ROWS = re.compile(r"[\s,]*")
_ROW_START = re.compile(r'\{\s*"')
# The search for the next row after damage: going further helps only files that are made to take for ever.
_ROW_STARTS_TRIED = 10_000
_LONGEST_ROW = 2**16


class RawRow(TypedDict):
    """A row of the table `raw_streaming_history`, less its partition keys."""

    file: str
    row: int
    payload: str | None
    problem: str | None


@dataclass(frozen=True)
class FileRows:
    """The rows of a file in their order, and the user names seen in it, which must not leave memory."""

    rows: list[RawRow]
    user_names: frozenset[str]


def read_rows(content: bytes, file: str) -> FileRows:
    """The rows of the file named `file`, as received less private fields. Never raises, whatever the bytes.

    A payload is valid JSON with the values as received: integers with all their digits, lone surrogates as escapes,
    bytes that are not UTF-8 as the escapes `\\udc80` to `\\udcff` (Python's `surrogateescape`). What JSON has no number
    for (NaN, Infinity) becomes a string.
    """
    return _well_formed(content, file) or _salvaged(content, file)


def first_row_kind(head: bytes) -> Kind | None:
    """Which kind of history a list of rows holds, by the fields of its first row; `head` may end anywhere."""
    text = _decoded(head)
    if not text.lstrip().startswith("["):
        return None
    return row_kind(next((element for element, _ in _elements(text) if isinstance(element, dict)), None))


def row_kind(row: object) -> Kind | None:
    """Which kind of history a row belongs to, by its fields."""
    if isinstance(row, dict):
        return next((kind for kind, fields in _SHAPES.items() if fields <= row.keys()), None)
    return None


def _well_formed(content: bytes, file: str) -> FileRows | None:
    """All rows at once by orjson, or None where only the slow path keeps every row and every digit."""
    try:
        rows = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(rows, list) or not set(map(type, rows)) <= {dict}:
        return None
    is_flat = set(map(type, chain.from_iterable(map(dict.values, rows)))) <= _FLAT
    if not is_flat and _LONG_NUMBER in content.translate(_DIGITS_AS_ZEROS):
        return None
    fields = set().union(*rows)
    user_names = _user_names(rows, fields)
    if is_flat:
        for field in filter(is_private, fields):
            for row in rows:
                row.pop(field, None)
        # A list is written four times as fast as its items one by one. What separates its items may also occur inside
        # one (`},{` in a title), but then there are more parts than rows.
        parts = orjson.dumps(rows)[2:-2].decode().split("},{") if rows else []
        if len(parts) == len(rows):
            return FileRows(
                [
                    {"file": file, "row": number, "payload": "{" + part + "}", "problem": None}
                    for number, part in enumerate(parts)
                ],
                user_names,
            )
    return FileRows([_row(file, number, row) for number, row in enumerate(rows)], user_names)


def _salvaged(content: bytes, file: str) -> FileRows:
    elements = list(_elements(_decoded(content)))
    objects = [element for element, _ in elements if isinstance(element, dict)]
    return FileRows(
        [_row(file, number, element, problem) for number, (element, problem) in enumerate(elements)],
        _user_names(objects, set().union(*objects)),
    )


def _user_names(rows: list[dict[str, Any]], fields: set[str]) -> frozenset[str]:
    names = (row.get(field) for field in filter(is_user_name, fields) for row in rows)
    return frozenset(name for name in names if isinstance(name, str) and name)


def _row(file: str, number: int, element: object, problem: str | None = None) -> RawRow:
    payload = None
    if problem is None and not isinstance(element, dict):
        problem = f"The row is {_JSON_TYPES.get(type(element), 'null')}, not an object."
    if problem is None:
        try:
            payload = _json_text(without_private(element))
        except RecursionError:
            problem = "The row is nested too deeply to be read."
    return {"file": file, "row": number, "payload": payload, "problem": problem}


def _json_text(row: object) -> str:
    try:
        return orjson.dumps(row).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, an integer of more than 64 bits, over 254 levels
        return json.dumps(row, separators=(",", ":"))


class _Text(str):
    """A text in which `JSONDecodeError` does not count lines: 7 ms for each bad row of a file of usual size."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        return 0

    def rfind(self, *_: object) -> int:
        return -1


def _decoded(content: bytes) -> str:
    encoding = json.detect_encoding(content)
    if not encoding.startswith("utf-8"):
        text = content.decode(encoding, "replace")
        if text.count('"') > len(text) / 100:  # a zero among the first bytes may also be damage
            return text
    return content.decode("utf-8-sig", "surrogateescape")


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def _fraction(text: str) -> float | str:
    return number if math.isfinite(number := float(text)) else text


# Strict: where a disk lost a block, zeros may join the start of a row to a private value of a later one.
_DECODER = json.JSONDecoder(strict=True, parse_int=_integer, parse_float=_fraction, parse_constant=str)


def _elements(text: str) -> Iterator[tuple[object, str | None]]:
    """The elements of the text's list, each as (value, None), or as (None, problem) where there is damage.

    After damage, and where the text is no list, reading goes on at the next object with the fields of a row.
    """
    text = _Text(text)
    beginning = _skip(text, 0)
    is_inside = text.startswith("[", beginning)
    position = beginning + is_inside
    while (position := _skip(text, position)) < len(text):
        if is_inside and text[position] == "]":
            is_inside = False
            position += 1
            continue
        value, end = _element(text, position)
        if end is None or not (is_inside or row_kind(value)):
            end = _next_row(text, position + 1)
            is_inside = end < len(text)
            is_whole_file = position == beginning and end == len(text)
            yield None, _NO_LIST if is_whole_file else _DAMAGE.format(position, end)
        else:
            yield value, None
        position = end
    if is_inside:
        yield None, _NO_END


def _skip(text: str, position: int) -> int:
    match = _BETWEEN_ROWS.match(text, position)
    return match.end() if match else position


def _element(text: str, position: int) -> tuple[object, int | None]:
    try:
        return _DECODER.raw_decode(text, position)
    except (json.JSONDecodeError, RecursionError):
        return None, None


def _next_row(text: str, position: int) -> int:
    for found in islice(_ROW_START.finditer(text, position), _ROW_STARTS_TRIED):
        start = found.start()
        if row_kind(_element(text[start : start + _LONGEST_ROW], 0)[0]):
            return start
    return len(text)
