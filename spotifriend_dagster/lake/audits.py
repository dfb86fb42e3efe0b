"""What a table's content must be before anybody reads it: as declared, and no sudden loss. Same code in both homes.

What is declared is in `tables/`; what follows from a failed audit is decided by `publishing.py` and by the assets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from spotifriend_dagster.lake.queries import NO_VALUE
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.rendering import arrow_schema

if TYPE_CHECKING:
    import pyarrow

_SHOWN = 5
_FEW_ROWS = 20


@dataclass(frozen=True)
class Audit:
    """The result of one audit. An ERROR that did not pass keeps the content from being published; a WARN is told."""

    name: str
    passed: bool
    severity: Literal["ERROR", "WARN"]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Whether the content must not be published."""
        return not self.passed and self.severity == "ERROR"


def audit_declaration(found: pyarrow.Table, table: Table) -> tuple[Audit, ...]:
    """Whether the content is as declared: `schema`, `grain` and `never_null`.

    Args:
        found: the content of files. Where the listener is in their path, the files of one listener.
        table: the declaration.
    """
    schema = _audit_schema(found, table)
    if not schema.passed:
        unknown = {"not_looked_at": "the schema is not as declared"}
        return schema, Audit("grain", False, "ERROR", unknown), Audit("never_null", False, "ERROR", unknown)
    return schema, _audit_grain(found, table), _audit_nulls(found, table)


def audit_listener(found: pyarrow.Table, table: Table, listener: str) -> tuple[Audit, ...]:
    """The same of one listener's rows, of whose listener the path tells; `NO_VALUE` where it is null."""
    schema, grain, nulls = audit_declaration(found, table)
    if listener == NO_VALUE:
        nulls = Audit("never_null", False, "ERROR", {"nulls": {"listener": found.num_rows}})
    return schema, grain, nulls


def together(audits: Sequence[tuple[str, Sequence[Audit]]]) -> tuple[Audit, ...]:
    """The audits of all listeners as those of one content: of each, the first that failed, and of how many it did.

    Args:
        audits: by listener, the same audits in the same order.
    """
    found = []
    for of_each in zip(*(of_listener for _, of_listener in audits), strict=True):
        failed = [(listener, audit) for (listener, _), audit in zip(audits, of_each, strict=True) if not audit.passed]
        if not failed:
            found.append(of_each[0])
            continue
        listener, first = failed[0]
        found.append(replace(first, metadata={"listener": listener, "listeners": len(failed), **first.metadata}))
    return tuple(found)


def audit_rows(rows: int, before: int | None) -> Audit:
    """Whether rows were lost against the version before: `rows`.

    The history only grows, so a table that had rows and has none is a fault upstream, and blocks. A loss of more than
    half can be meant (a private session taken out, an export's rows superseded), so it is told and no more. Below 20
    rows (forgotten favourites, obsessions) coming and going is what a table does.

    Args:
        rows: the rows now.
        before: the rows of the version before; None where there is none.
    """
    is_judged = before is not None and before >= _FEW_ROWS
    return Audit(
        "rows",
        passed=not is_judged or 2 * rows >= (before or 0),
        severity="ERROR" if is_judged and not rows else "WARN",
        metadata={"rows": rows} | ({} if before is None else {"rows_before": before}),
    )


def _audit_schema(found: pyarrow.Table, table: Table) -> Audit:
    declared = [(field.name, field.type) for field in arrow_schema(table)]
    written = [(field.name, field.type) for field in found.schema]
    passed = written == declared
    return Audit("schema", passed, "ERROR", {} if passed else {"declared": _said(declared), "written": _said(written)})


def _audit_grain(found: pyarrow.Table, table: Table) -> Audit:
    grain = [name for name in table.grain if name in found.column_names]
    keys = found.select(grain)
    surplus = keys.num_rows - keys.group_by(grain).aggregate([]).num_rows if keys.num_rows else 0
    metadata: dict[str, Any] = {"grain": ", ".join(table.grain), "repeated_rows": surplus}
    if surplus:
        import pyarrow.compute as pc  # noqa: PLC0415 - heavy

        counted = keys.group_by(grain).aggregate([([], "count_all")])
        repeated = counted.filter(pc.greater(counted["count_all"], 1)).slice(0, _SHOWN)
        metadata["first"] = [{name: str(value) for name, value in row.items()} for row in repeated.to_pylist()]
    return Audit("grain", not surplus, "ERROR", metadata)


def _audit_nulls(found: pyarrow.Table, table: Table) -> Audit:
    nulls = {
        column.name: found[column.name].null_count
        for column in table.columns
        if not column.nullable and found[column.name].null_count
    }
    return Audit("never_null", not nulls, "ERROR", {"nulls": nulls} if nulls else {})


def _said(columns: list[tuple[str, pyarrow.DataType]]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns)
