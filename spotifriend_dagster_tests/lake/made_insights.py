"""An insight table to publish, and an engine that answers what a test says instead of running SQL."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.engine import Prepared, QueryFailed, Unloaded
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.publishing import Publication, publish
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.insight import parse_insight
from spotifriend_dagster.tables.rendering import arrow_schema, glue_table_input

SQL = """
/*
description: A table to publish.
grain: [listener, n]
columns:
  listener: plays.listener
  n: bigint! A number.
  answer: bigint What the query found.
*/
SELECT listener, play_number AS n, ms_played AS answer FROM plays
"""
INSIGHT = parse_insight("answers", SQL, {"plays": PLAYS})


def answers(answer: int, rows: int = 30) -> pa.Table:
    """A content of one listener's file: `rows` rows that all hold the same answer."""
    return pa.table([list(range(rows)), [answer] * rows], schema=arrow_schema(INSIGHT.table))


class MadeEngine:
    """Writes what it is told to answer; `meanwhile` happens once, when the file is there and the query still runs.

    `answer` is of anna; `also` is of somebody else, by name.
    """

    def __init__(self, storage: FolderStorage) -> None:
        self._storage = storage
        self.answer = answers(0)
        self.also = ("bert", answers(0, rows=0))
        self.meanwhile: Callable[[], None] = lambda: None
        self.given: list[Prepared | None] = []

    def prepare(self, sql: str, table: Table, files: Files) -> Prepared:
        """Find the answer before it is asked for."""
        if sql != INSIGHT.query:
            raise QueryFailed("It was not this one.")
        return Prepared({}, self.answer)

    def unload(
        self, sql: str, table: Table, prefix: str, files: Files | None = None, prepared: Prepared | None = None
    ) -> Unloaded:
        """Write the answer as the query's result."""
        assert files is not None
        self.given.append(prepared)
        assert (sql, table) == (INSIGHT.query, INSIGHT.table)
        for listener, answer in (("anna", self.answer), self.also):
            if answer.num_rows:
                target = pa.BufferOutputStream()
                pq.write_table(answer, target)
                self._storage.write(f"{prefix}listener={listener}/part-0.parquet", target.getvalue().to_pybytes())
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return Unloaded(self._storage.list(prefix))


class MadeLake:
    """A lake with the table `plays` and one insight over it."""

    def __init__(self, root: Path) -> None:
        self.storage = FolderStorage(root)
        self.catalog = FolderCatalog(self.storage)
        self.engine = MadeEngine(self.storage)

    def with_plays(self) -> "MadeLake":
        """The same, with plays to read."""
        self.catalog.put_if_different(glue_table_input(PLAYS, self.storage.uri(f"{PLAYS.folder}/"), listeners=["anna"]))
        self.storage.write(f"{PLAYS.folder}/listener=anna/year=2024/part.parquet", b"plays")
        return self

    def publish(self, content: pa.Table) -> Publication:
        """Publish the insight, of which the query finds `content`."""
        self.engine.answer = content
        return publish(INSIGHT, self.engine, self.catalog, self.storage)  # type: ignore[arg-type]

    def read(self) -> pa.Table:
        """What a reader finds now, by way of the catalog."""
        definition = self.catalog.get(INSIGHT.table.name)
        assert definition is not None
        stored = self.storage.list(self.storage.key_of(definition.location))
        assert stored, "the catalog points to a folder without files"
        return pa.concat_tables([pq.read_table(pa.BufferReader(self.storage.read(file.key))) for file in stored])

    def answer(self) -> int:
        """The one answer that the whole published table holds."""
        (answer,) = set(self.read()["answer"].to_pylist())
        assert isinstance(answer, int)
        return answer

    def versions(self) -> list[str]:
        """The versions of which there are files, the oldest first."""
        return sorted({stored.key.split("/")[2].removeprefix("version=") for stored in self.storage.list("insights")})
