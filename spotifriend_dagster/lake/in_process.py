"""Insights of small lakes, made in this process from the files themselves, where Athena would be paid for 10 MB each.

The files that it writes are those of the home in a folder, and Athena reads them like its own. Reading is `reading.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotifriend_dagster.lake import dialect
from spotifriend_dagster.lake.catalog import Catalog, CatalogTable
from spotifriend_dagster.lake.engine import Engine, Prepared, Unloaded, in_order, write_rows
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.queries import check_columns, schema_of, tables_of
from spotifriend_dagster.lake.reading import read_rows, run_over
from spotifriend_dagster.lake.storage import Storage, StoredObject, path_values
from spotifriend_dagster.tables.declaration import Table

if TYPE_CHECKING:
    import pyarrow

IN_PROCESS_BYTES = 16_000_000
"""Files of 350,000 plays: a household's. The widest query then takes half a gigabyte of a function's two (measured: 1.3
GB over the 45 MB of a million plays), beside the half that everything else takes."""


class ThriftyEngine(Engine):
    """Makes tables in this process where what they are made of is small, and leaves all else to another engine.

    It reads what the other one would: the folders of those listeners and years that the catalog names.
    """

    def __init__(self, large: Engine, storage: Storage, catalog: Catalog, *, below_bytes: int) -> None:
        """An engine that makes in this process what is made of fewer bytes of files than these."""
        self.large = large
        self._storage = storage
        self._catalog = catalog
        self._below_bytes = below_bytes

    def query(self, sql: str) -> pyarrow.Table:
        """See Engine."""
        return self.large.query(sql)

    def unload(
        self, sql: str, table: Table, prefix: str, files: Files | None = None, prepared: Prepared | None = None
    ) -> Unloaded:
        """See Engine."""
        files = files or Files(self._storage)
        tables = tables_of(sql, self._catalog)
        schema = schema_of(tables)
        check_columns(dialect.output_types(sql, schema), table)
        stored = {name: _named(each, files) for name, each in tables.items()}
        is_parquet = all(each.parameters.get("classification") == "parquet" for each in tables.values())
        size = sum(file.size for of_table in stored.values() for file in of_table)
        if not is_parquet or size >= self._below_bytes:
            return self.large.unload(sql, table, prefix, files)
        read = dialect.columns_read(sql, schema)
        rows = {name: read_rows(name, tables[name], columns, files, stored[name]) for name, columns in read.items()}
        found = run_over(in_order(dialect.to_duckdb(sql, schema), table), rows)
        return Unloaded(write_rows(found, table, prefix, self._storage), bytes_scanned=0)

    def column_lineage(self, sql: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """See Engine."""
        return self.large.column_lineage(sql)


def _named(table: CatalogTable, files: Files) -> list[StoredObject]:
    """The files of the partitions that the catalog names: a query of Athena's finds no others."""
    stored = files.list(files.key_of(table.location))
    return [file for file in stored if table.has_partition(path_values(file.key))]
