"""JSON texts in, typed columns out: fast where the texts are as expected, one by one where they are not.

What the fields mean belongs to the callers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "whole number", "yes or no"]

_READ_AT_ONCE = 25_000
_READ_ONE_BY_ONE = 100
_PARTS = 16
_LONGEST_PLAIN_TEXT = 10_000  # bytes
_WHOLE_NUMBERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Payloads:
    """What the payloads hold.

    `columns` has one row per text: every field, typed (null where the payload has none), and `problem`, null where the
    text could be read. `unknown_fields` and `mistyped_values` are by part: the names of fields that were not asked for,
    and how many values of optional fields were read as null because they were of another kind.
    """

    columns: pd.DataFrame
    unknown_fields: list[set[str]]
    mistyped_values: list[int]


def parse_json(text: str) -> Any:
    """What the text holds. Half a character, which titles cut by bytes end with, becomes a replacement character.

    Raises:
        ValueError: the text is no JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        halves = json.dumps(json.loads(text), ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("The text is nested too deeply.") from error
    return orjson.loads(halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def read_payloads(
    texts: pd.Series, parts: list[slice], required: Mapping[str, Kind], optional: Mapping[str, Kind]
) -> Payloads:
    """Read the texts, each a JSON object, part by part.

    A text is a problem where it is not readable, not an object, or where a required field is of another kind; a field
    that is missing or null is none. 1234.0 is a whole number, "1234" and true are not.

    Args:
        texts: JSON texts; null is a text that could not be read before.
        parts: slices that follow each other over all of `texts`.
        required: the kind of each field whose value must be of that kind, if there is one.
        optional: the kind of each field that is read as null if it is of another kind.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.compute as pc  # noqa: PLC0415

    reader = _Reader(required, optional)
    payloads = pa.chunked_array(pa.array(texts, type=pa.large_string(), from_pandas=True))
    # Arrow's reader must not meet a bare null, nor a text that is nested very deeply: it crashes.
    is_plain = pc.and_(pc.starts_with(payloads, "{"), pc.less(pc.binary_length(payloads), _LONGEST_PLAIN_TEXT))
    is_plain = is_plain.fill_null(False).combine_chunks()
    tables: list[pa.Table] = [reader.schema.empty_table()]
    unknown_fields: list[set[str]] = []
    mistyped_values: list[int] = []
    for part in parts:
        reader.unknown_fields, reader.mistyped_values = set(), 0
        for start in range(part.start, part.stop, _READ_AT_ONCE):
            stop = min(start + _READ_AT_ONCE, part.stop)
            tables.extend(reader.read(payloads[start:stop].combine_chunks(), is_plain[start:stop]))
        unknown_fields.append(reader.unknown_fields)
        mistyped_values.append(reader.mistyped_values)
    dtypes = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    columns = pa.concat_tables(tables).combine_chunks().to_pandas(types_mapper=dtypes.get)
    return Payloads(columns, unknown_fields, mistyped_values)


class _Reader:
    """Reads payloads into tables of `schema`, and keeps what it saw beside: unknown fields, values of another kind."""

    def __init__(self, required: Mapping[str, Kind], optional: Mapping[str, Kind]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - heavy

        types = {"text": pa.string(), "whole number": pa.int64(), "yes or no": pa.bool_()}
        self.kinds = {**required, **optional}
        self.required = frozenset(required)
        self.fields = pa.schema([(name, types[kind]) for name, kind in self.kinds.items()])
        self.schema = self.fields.append(pa.field("problem", pa.string()))
        self.unknown_fields: set[str] = set()
        self.mistyped_values = 0

    def read(self, payloads: pa.Array, is_plain: pa.Array) -> Iterator[pa.Table]:
        """All at once if they are as expected; else in ever smaller parts, so that few are read one by one."""
        if is_plain.false_count == 0 and (table := self._read_at_once(payloads)) is not None:
            yield table
        elif len(payloads) <= _READ_ONE_BY_ONE:
            yield self._read_one_by_one(payloads.to_pylist())
        else:
            size = -(-len(payloads) // _PARTS)
            for start in range(0, len(payloads), size):
                yield from self.read(payloads[start : start + size], is_plain[start : start + size])

    def _read_at_once(self, payloads: pa.Array) -> pa.Table | None:
        import pyarrow as pa  # noqa: PLC0415 - heavy
        import pyarrow.compute as pc  # noqa: PLC0415
        from pyarrow import json as arrow_json  # noqa: PLC0415

        end_of_line, nothing = pa.scalar("\n", pa.large_string()), pa.scalar("", pa.large_string())
        lines = pc.binary_join_element_wise(payloads, nothing, end_of_line).buffers()[2]
        if lines.to_pybytes().count(b"\n") != len(payloads):
            return None  # its work is cut at line ends, so that no text may hold one
        try:
            table = arrow_json.read_json(
                pa.BufferReader(lines),
                parse_options=arrow_json.ParseOptions(explicit_schema=self.fields, unexpected_field_behavior="infer"),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != len(payloads):
            return None
        self.unknown_fields.update(set(table.column_names) - self.kinds.keys())
        table = table.select(self.fields.names)
        return table.append_column(self.schema.field("problem"), pa.nulls(len(table), pa.string()))

    def _read_one_by_one(self, texts: list[str | None]) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 - heavy

        return pa.Table.from_pylist([self._row(text) for text in texts], schema=self.schema)

    def _row(self, text: str | None) -> dict[str, Any]:
        try:
            payload = parse_json(text or "")
        except ValueError:
            return {"problem": "not readable as JSON"}
        if not isinstance(payload, dict):
            return {"problem": "not a JSON object"}
        self.unknown_fields.update(payload.keys() - self.kinds.keys())
        row: dict[str, Any] = {}
        for name, kind in self.kinds.items():
            value = payload.get(name)
            row[name] = _value_of_kind(value, kind)
            if value is None or row[name] is not None:
                continue
            if name in self.required:
                return {"problem": f"{name} is no {kind}"}
            self.mistyped_values += 1
        return row


def _value_of_kind(value: Any, kind: Kind) -> Any:
    if kind == "text":
        return value if isinstance(value, str) else None
    if kind == "yes or no":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    number = int(value)  # a range looks a float up by going through all of its numbers
    return number if number in _WHOLE_NUMBERS else None
