"""What the catalog says of a table: the port, in Glue's own `TableInput` shape, and the local home's implementation.

What such a definition holds follows from the table's declaration (`tables/rendering.py`); who moves an insight's table
from version to version is `publishing.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from spotifriend_dagster.lake.storage import ObjectMissing, Storage

TableInput = dict[str, Any]
"""A table in the shape that Glue's CreateTable and UpdateTable take."""


def differences(one: TableInput, other: TableInput) -> list[str]:
    """Where two definitions differ, by the names of their parts: `Parameters.projection.enabled`."""
    return sorted({*_differences(one, other, "")})


def _differences(one: Any, other: Any, where: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() | other.keys():
            yield from _differences(one.get(name), other.get(name), f"{where}.{name}".lstrip("."))
    elif one != other:
        yield where


_FOLDER = "catalog"
_KEPT = 20


class CatalogError(Exception):
    """The catalog could not do what was asked; the message is a sentence for the user."""


class CatalogConflict(CatalogError):
    """Somebody else changed the table since it was read."""


@dataclass(frozen=True)
class CatalogTable:
    """A table's definition, and the version of it that a change must name."""

    table_input: TableInput
    version: str

    @property
    def location(self) -> str:
        """The URI of the folder that holds the table's files."""
        location: str = self.table_input["StorageDescriptor"]["Location"]
        return location

    @property
    def columns(self) -> dict[str, str]:
        """The Glue type of each column, those in the files first, then the partition keys."""
        declared = [*self.table_input["StorageDescriptor"]["Columns"], *self.table_input.get("PartitionKeys", [])]
        return {column["Name"]: column["Type"] for column in declared}

    @property
    def keys(self) -> list[str]:
        """The names of the partition keys, outermost first."""
        return [key["Name"] for key in self.table_input.get("PartitionKeys", [])]

    @property
    def parameters(self) -> dict[str, str]:
        """The table's properties: what Athena reads (projection), and what publishing notes."""
        return dict(self.table_input.get("Parameters", {}))

    def has_partition(self, values: Mapping[str, str]) -> bool:
        """Whether these values of the partition keys are among those of the properties: Athena finds no others."""
        said = self.parameters
        for key in self.keys:
            if enum := said.get(f"projection.{key}.values"):
                if values[key] not in enum.split(","):
                    return False
            elif said.get(f"projection.{key}.type") == "integer":
                first, last = map(int, said[f"projection.{key}.range"].split(","))
                if not first <= int(values[key]) <= last:
                    return False
        return True


class Catalog(Protocol):
    """Definitions of tables by name. A definition changes in one step, by compare-and-set."""

    def get(self, name: str) -> CatalogTable | None:
        """The table's definition as it is now; None where there is no such table."""

    def names(self) -> list[str]:
        """The names of all tables, sorted."""

    def put(self, table_input: TableInput, expected: str | None) -> str:
        """Define the table that `table_input` names, if its version is still `expected` (None: there is none yet).

        Returns:
            The new version.

        Raises:
            CatalogConflict: its version is another.
        """

    def put_if_different(self, table_input: TableInput) -> str:
        """Define the table unless it is defined so already.

        Returns:
            The version that is so defined.

        Raises:
            CatalogConflict: it was changed between the look and the change.
        """
        present = self.get(table_input["Name"])
        if present is not None and present.table_input == table_input:
            return present.version
        return self.put(table_input, present.version if present else None)

    def history(self, name: str) -> list[CatalogTable]:
        """The table's definitions that are still kept, the present one first."""

    def forget_history(self, name: str) -> None:
        """Remove the table's definitions but the present one."""


class FolderCatalog(Catalog):
    """Definitions as JSON objects, `catalog/<table>/<number>.json`, of which the highest number is the present one.

    A change writes the next number, and only where that is free: `Storage.write_new` lets exactly one of several
    processes have it, so no lock is needed, none can be left behind, and a reader always finds a whole definition. The
    numbers before are the history that a rollback goes back to; the last 20 are kept.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, name: str) -> CatalogTable | None:
        """See Catalog."""
        while numbers := self._numbers(name):
            with suppress(ObjectMissing):  # removed since the listing, because there are newer ones
                return self._read(name, numbers[0])
        return None

    def names(self) -> list[str]:
        """See Catalog."""
        return sorted({stored.key.split("/")[1] for stored in self._storage.list(_FOLDER)})

    def put(self, table_input: TableInput, expected: str | None) -> str:
        """See Catalog."""
        name = table_input["Name"]
        numbers = self._numbers(name)
        number = int(expected or 0) + 1
        definition = json.dumps(table_input, indent=1, ensure_ascii=False).encode()
        if number != max(numbers, default=0) + 1 or not self._storage.write_new(_key(name, number), definition):
            raise CatalogConflict(f"Table {name} was changed by another run at the same time: run again.")
        self._storage.delete(_key(name, old) for old in numbers if old <= number - _KEPT)
        return str(number)

    def history(self, name: str) -> list[CatalogTable]:
        """See Catalog."""
        definitions = []
        for number in self._numbers(name):
            with suppress(ObjectMissing):
                definitions.append(self._read(name, number))
        return definitions

    def forget_history(self, name: str) -> None:
        """See Catalog."""
        self._storage.delete(_key(name, old) for old in self._numbers(name)[1:])

    def _numbers(self, name: str) -> list[int]:
        """The numbers of the table's definitions, the present one first."""
        listed = self._storage.list(f"{_FOLDER}/{name}")
        return sorted((int(PurePosixPath(stored.key).stem) for stored in listed), reverse=True)

    def _read(self, name: str, number: int) -> CatalogTable:
        return CatalogTable(json.loads(self._storage.read(_key(name, number))), str(number))


def _key(name: str, number: int) -> str:
    return f"{_FOLDER}/{name}/{number:08d}.json"
