"""How Dagster shows a declared table: description, columns, owners; and the checks that every table has."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from spotifriend_dagster.lake.audits import audit_declaration
from spotifriend_dagster.lake.io_managers import Part
from spotifriend_dagster.tables.declaration import Table

OWNERS = ["team:listening"]
MATCHES_DECLARATION = "matches_declaration"
EVERY_LISTENER = "every_listener"
UNKNOWN_FIELDS = "no_unknown_fields"
MISTYPED_VALUES = "no_mistyped_values"


@contextmanager
def accepted_beta(parameter: str) -> Iterator[None]:
    """Within it, Dagster does not warn that `parameter` of a decorator is beta: it was chosen knowingly."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f"Parameter `{parameter}` of function", category=dg.BetaWarning)
        yield


def asset_key(table: Table) -> dg.AssetKey:
    """A table's asset key: its folder in the lake."""
    return dg.AssetKey(table.folder.split("/"))


def column_schema(table: Table) -> dg.TableSchema:
    """The declared columns, as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.all_columns
        ],
        constraints=dg.TableConstraints(other=[f"one row per {', '.join(table.grain)}"]),
    )


def table_metadata(table: Table) -> Mapping[str, Any]:
    """An asset's definition metadata that follows from the declaration."""
    return {"dagster/column_schema": column_schema(table), "dagster/table_name": table.name}


def declaration_check(table: Table) -> dg.AssetCheckSpec:
    """The check that what was written is what was declared: schema, grain and nulls."""
    return dg.AssetCheckSpec(
        MATCHES_DECLARATION,
        asset=asset_key(table),
        blocking=True,
        description=f"Columns and types as declared; one row per {', '.join(table.grain)}; no null where none may be.",
    )


class Audits:
    """Holds what is written against its declaration, part by part, for one evaluation of the check."""

    def __init__(self, *tables: Table) -> None:
        self._faults: dict[Table, list[dict[str, Any]]] = {table: [] for table in tables}

    def of(self, table: Table, parts: Iterable[Part]) -> Iterator[Part]:
        """The parts as they are; the faults of each are kept."""
        for part in parts:
            for audit in audit_declaration(part.rows(table), table):
                if not audit.passed:
                    where = {"listener": part.listener, "partition": part.partition, "audit": audit.name}
                    self._faults[table].append(where | dict(audit.metadata))
            yield part

    def add(self, table: Table, faults: Iterable[dict[str, Any]]) -> None:
        """Keep faults that were found elsewhere, by `faults`."""
        self._faults[table] += faults

    def faults(self, table: Table) -> list[dict[str, Any]]:
        """What is wrong with a table so far, as JSON can say it."""
        return self._faults[table]

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """The evaluation for each table; of a range of days, the failing ones are named."""
        for table, faults in self._faults.items():
            yield dg.AssetCheckResult(
                check_name=MATCHES_DECLARATION,
                asset_key=asset_key(table),
                passed=not faults,
                severity=dg.AssetCheckSeverity.ERROR,  # what reads it would be wrong, or fail
                metadata={"faults": dg.MetadataValue.json(faults)},
            )


def every_listener_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that no listener was left out. It blocks nothing: the others' data has landed."""
    return dg.AssetCheckSpec(EVERY_LISTENER, asset=key, description="Every listener's data could be worked through.")


def every_listener_result(key: dg.AssetKey, failures: Mapping[str, str]) -> dg.AssetCheckResult:
    """The evaluation of that check: `failures` says by listener what went wrong."""
    return dg.AssetCheckResult(
        check_name=EVERY_LISTENER,
        asset_key=key,
        passed=not failures,
        severity=dg.AssetCheckSeverity.ERROR,  # somebody's figures are old from now on
        metadata={listener: dg.MetadataValue.text(sentence) for listener, sentence in failures.items()},
    )


def unknown_fields_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that Spotify sent no field that cleaning does not know."""
    return dg.AssetCheckSpec(
        UNKNOWN_FIELDS, asset=key, description="Every field that Spotify sent is known; unknown ones are kept in raw."
    )


def unknown_fields_result(key: dg.AssetKey, fields: Iterable[str]) -> dg.AssetCheckResult:
    """The evaluation of that check: `fields` are those that nobody knows."""
    names = sorted(fields)
    return dg.AssetCheckResult(
        check_name=UNKNOWN_FIELDS,
        asset_key=key,
        passed=not names,
        severity=dg.AssetCheckSeverity.WARN,  # nothing is lost: Spotify has begun to say something new
        metadata={"fields": dg.MetadataValue.json(names)},
    )


def mistyped_values_check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that no value had to be read as null because it was of another kind than Spotify ever sent there."""
    return dg.AssetCheckSpec(
        MISTYPED_VALUES,
        asset=key,
        description="Every value is of the kind its field has; others are null, kept in raw.",
    )


def mistyped_values_result(key: dg.AssetKey, counts: Mapping[str, int]) -> dg.AssetCheckResult:
    """The evaluation of that check: `counts` says how many values of each file were read as null."""
    return dg.AssetCheckResult(
        check_name=MISTYPED_VALUES,
        asset_key=key,
        passed=not counts,
        severity=dg.AssetCheckSeverity.WARN,  # the plays are there; what is null of them is of little weight
        metadata={"values": sum(counts.values()), "by_file": dg.MetadataValue.json(dict(counts))},
    )
