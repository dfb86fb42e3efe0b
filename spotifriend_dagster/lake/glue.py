"""What the Glue Data Catalog says of a table: the aws home's catalog. Errors of AWS become sentences in `aws.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import botocore.exceptions as errors

from spotifriend_dagster.lake.aws import AwsClients, translated
from spotifriend_dagster.lake.catalog import Catalog, CatalogConflict, CatalogError, CatalogTable, TableInput

_KEPT = 20
_TABLE = ("Name", "Description", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
_STORAGE = ("Columns", "Location", "InputFormat", "OutputFormat", "SerdeInfo")
_SERDE = ("SerializationLibrary", "Parameters")
_COLUMN = ("Name", "Type", "Comment")
_PARAMETERS = {"EXTERNAL", "classification", "storage.location.template"}
_PARAMETER_KINDS = ("projection.", "spotifriend.")


class GlueCatalog(Catalog):
    """The tables of one database of Glue, which is the lake's own.

    A definition is what the lake says of a table, and nothing else that Glue tells of it: what others note in the
    parameters (Glue's own statistics, a crawler) is neither compared nor kept. Glue counts the versions of a table, and
    changes one only if it is still the version that the change names; the last 20 are kept.
    """

    def __init__(self, clients: AwsClients, database: str) -> None:
        self._clients = clients
        self.database = database

    def get(self, name: str) -> CatalogTable | None:
        """See Catalog."""
        with self._asked(f"The table {name} cannot be looked up") as glue:
            try:
                return _table(glue.get_table(DatabaseName=self.database, Name=name)["Table"])
            except glue.exceptions.EntityNotFoundException as error:
                self._require_database(error)
                return None

    def names(self) -> list[str]:
        """See Catalog. A view that somebody made beside the lake's tables is none of them."""
        with self._asked("The tables cannot be listed") as glue:
            try:
                pages = list(glue.get_paginator("get_tables").paginate(DatabaseName=self.database))
            except glue.exceptions.EntityNotFoundException as error:
                self._require_database(error)
                raise
        tables = (table for page in pages for table in page["TableList"])
        return sorted(table["Name"] for table in tables if table.get("TableType") == "EXTERNAL_TABLE")

    def put(self, table_input: TableInput, expected: str | None) -> str:
        """See Catalog."""
        name = table_input["Name"]
        conflict = CatalogConflict(f"Table {name} was changed by another run at the same time: run again.")
        with self._asked(f"The table {name} cannot be defined, and is as it was") as glue:
            try:
                if expected is None:
                    glue.create_table(DatabaseName=self.database, TableInput=table_input)
                else:
                    glue.update_table(DatabaseName=self.database, TableInput=table_input, VersionId=expected)
            except glue.exceptions.EntityNotFoundException as error:
                self._require_database(error)
                raise conflict from None  # it was removed since it was read
            except (glue.exceptions.AlreadyExistsException, glue.exceptions.ConcurrentModificationException):
                raise conflict from None
        versions = self.history(name)
        self._forget(name, [definition.version for definition in versions[_KEPT:]])
        return versions[0].version

    def history(self, name: str) -> list[CatalogTable]:
        """See Catalog."""
        with self._asked(f"The history of the table {name} cannot be read") as glue:
            paginator = glue.get_paginator("get_table_versions")
            try:
                pages = list(paginator.paginate(DatabaseName=self.database, TableName=name))
            except glue.exceptions.EntityNotFoundException as error:
                self._require_database(error)
                return []
        versions = [_table(version["Table"]) for page in pages for version in page["TableVersions"]]
        return sorted(versions, key=lambda definition: int(definition.version), reverse=True)

    def forget_history(self, name: str) -> None:
        """See Catalog."""
        self._forget(name, [definition.version for definition in self.history(name)[1:]])

    def _forget(self, name: str, versions: list[str]) -> None:
        with self._asked(f"Old versions of the table {name} cannot be removed") as glue:
            for version in versions:
                with suppress(glue.exceptions.EntityNotFoundException):  # another run was faster
                    glue.delete_table_version(DatabaseName=self.database, TableName=name, VersionId=version)

    def _require_database(self, error: errors.ClientError) -> None:
        """Glue answers alike where the table and where the whole database is missing, but for the sentence."""
        if "database" in error.response["Error"].get("Message", "").lower():
            raise CatalogError(
                f"Glue has no database {self.database} in {self._clients.region}: create it (aws glue create-database "
                f"--database-input Name={self.database}), or correct SPOTIFRIEND_GLUE_DATABASE or SPOTIFRIEND_REGION."
            ) from None

    @contextmanager
    def _asked(self, what: str) -> Iterator[Any]:
        with translated(CatalogError, f"{what} in Glue's database {self.database}"):
            yield self._clients.client("glue")


def _table(said: dict[str, Any]) -> CatalogTable:
    """What the lake itself says of a table, in what Glue tells of it."""
    storage = said.get("StorageDescriptor", {})
    table_input = _part(said, _TABLE) | {
        "PartitionKeys": [_part(key, _COLUMN) for key in said.get("PartitionKeys", [])],
        "Parameters": {name: value for name, value in said.get("Parameters", {}).items() if _is_ours(name)},
        "StorageDescriptor": _part(storage, _STORAGE)
        | {
            "Columns": [_part(column, _COLUMN) for column in storage.get("Columns", [])],
            "SerdeInfo": _part(storage.get("SerdeInfo", {}), _SERDE),
        },
    }
    return CatalogTable(table_input, said["VersionId"])


def _part(said: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: said[name] for name in names if name in said}


def _is_ours(parameter: str) -> bool:
    return parameter in _PARAMETERS or parameter.startswith(_PARAMETER_KINDS)
