"""Whether the aws home can be worked with: each permission that it needs is used once, on nothing that matters."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from spotifriend_dagster.lake.athena import AthenaEngine
from spotifriend_dagster.lake.aws import AwsClients, translated
from spotifriend_dagster.lake.catalog import CatalogConflict, CatalogError
from spotifriend_dagster.lake.engine import EngineError
from spotifriend_dagster.lake.examination import Finding, examined, probe_key
from spotifriend_dagster.lake.glue import GlueCatalog
from spotifriend_dagster.lake.parameters import ParameterSecrets
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import ObjectMissing, StorageError
from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.rendering import glue_table_input

_TABLE = Table(
    name="doctor",
    layer="insights",
    folder="doctor",
    description="What is written to see that it can be.",
    grain=("one",),
    columns=(Column("one", "bigint", "One."),),
)
_QUERY = "SELECT 1 AS one"


class AwsExamination:
    """The probes of an aws home. What a probe makes it removes; no table is made."""

    def __init__(
        self,
        clients: AwsClients,
        storage: S3Storage,
        catalog: GlueCatalog,
        engine: AthenaEngine,
        secrets: ParameterSecrets,
    ) -> None:
        self._clients = clients
        self._storage = storage
        self._catalog = catalog
        self._engine = engine
        self._secrets = secrets

    def findings(self) -> Iterator[Finding]:
        """What was tested, and what AWS denies. Without credentials there is nothing more to test."""
        who = examined("credentials", self._caller)
        yield who
        if not who.is_well:
            return
        yield examined("the bucket (s3:ListBucket)", self._bucket)
        yield examined("listing (s3:ListBucket)", lambda: self._count("config"))
        yield examined("writing (s3:PutObject)", self._put)
        yield examined("reading (s3:GetObject)", self._get)
        yield examined("deleting (s3:DeleteObject)", self._delete)
        yield examined("reading tables (glue:GetTable, GetTables)", self._tables)
        yield examined("the history of tables (glue:GetTableVersions)", self._history)
        yield examined("defining tables (glue:CreateTable)", self._create)
        yield examined("publishing tables (glue:UpdateTable)", self._update)
        yield examined("forgetting old versions of tables (glue:DeleteTableVersion)", self._forget)
        yield examined("queries (athena:StartQueryExecution, GetQueryExecution, their results)", self._query)
        yield examined("publishing by queries (UNLOAD into the bucket)", self._unload)
        yield examined("cancelling queries (athena:StopQueryExecution)", self._stop)
        yield examined("tokens (ssm:PutParameter, GetParameter, DeleteParameter)", self._parameters)

    def _caller(self) -> str:
        with translated(StorageError, "AWS cannot be asked"):
            arn: str = self._clients.client("sts").get_caller_identity()["Arn"]
        return arn

    def _bucket(self) -> str:
        bucket = self._storage.bucket
        with translated(StorageError, f"The bucket {bucket}"):
            head = self._clients.client("s3").head_bucket(Bucket=bucket)
        region: str = head.get("BucketRegion") or self._clients.region
        if region != self._clients.region:
            raise StorageError(f"The bucket {bucket} is in {region}: set SPOTIFRIEND_REGION to it.")
        return f"{bucket} in {region}"

    def _count(self, prefix: str) -> None:
        self._storage.list(prefix)

    def _put(self) -> None:
        key = probe_key()
        self._storage.write_new(key, b"")
        self._storage.write(key, b"")
        self._try_to_delete(key)

    def _get(self) -> None:
        with suppress(ObjectMissing):  # S3 says so only to whom it would let read
            self._storage.read(probe_key())

    def _delete(self) -> None:
        self._storage.delete([probe_key()])

    def _tables(self) -> str:
        self._catalog.get(_nobody())
        return f"{len(self._catalog.names())} tables"

    def _history(self) -> None:
        self._catalog.history(_nobody())

    def _create(self) -> str | None:
        """A table that is there cannot be made again: Glue says so only to whom it would let make one."""
        present = next(iter(self._catalog.names()), None)
        definition = self._catalog.get(present) if present else None
        if definition is None:
            return "not tested: there is no table yet, which the first run makes"
        with suppress(CatalogConflict):
            self._catalog.put(definition.table_input, None)
        return None

    def _update(self) -> None:
        """A table that is not there cannot be changed: Glue says so only to whom it would let change one."""
        definition = glue_table_input(_TABLE, self._storage.uri("doctor/")) | {"Name": _nobody()}
        with suppress(CatalogConflict):
            self._catalog.put(definition, "1")

    def _forget(self) -> None:
        with translated(CatalogError, "Old versions of tables cannot be removed"):
            glue = self._clients.client("glue")
            with suppress(glue.exceptions.EntityNotFoundException):
                glue.delete_table_version(DatabaseName=self._catalog.database, TableName=_nobody(), VersionId="1000000")

    def _query(self) -> None:
        self._engine.query(_QUERY)

    def _unload(self) -> None:
        folder = probe_key()
        try:
            self._engine.unload(_QUERY, _TABLE, folder)
        finally:
            with suppress(StorageError):
                self._storage.delete(stored.key for stored in self._storage.list(folder))

    def _stop(self) -> None:
        with translated(EngineError, "Queries cannot be cancelled"):
            athena: Any = self._clients.client("athena")
            try:
                athena.stop_query_execution(QueryExecutionId=str(uuid.uuid4()))
            except athena.exceptions.InvalidRequestException:  # there is no such query
                return

    def _parameters(self) -> None:
        name = probe_key()
        self._secrets.write(name, "x")
        try:
            self._secrets.read(name)
        finally:
            self._secrets.delete(name)

    def _try_to_delete(self, key: str) -> None:
        with suppress(StorageError):  # that it may be denied is found by another probe
            self._storage.delete([key])


def _nobody() -> str:
    """The name of a table that is not there."""
    return f"doctor_{uuid.uuid4().hex}"
