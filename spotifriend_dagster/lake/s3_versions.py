"""What a bucket keeps of objects that are gone, of queries, and of what runs print. Forgetting needs it.

Objects as they are now belong to `s3.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import botocore.exceptions as errors

from spotifriend_dagster.lake.aws import AwsClients, translated
from spotifriend_dagster.lake.forgetting import Version, Versions, Written
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import StorageError, StoredObject

RUN_LOGS = "dagster-logs"
"""Where in the bucket runs on ECS and Glue keep what they print: deploy/ecs/dagster.yaml says so."""
_DELETED_AT_ONCE = 1000  # as many as DeleteObjects takes
_RESULT = re.compile(
    r"(?:.*/)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-manifest)?(?:\.csv|\.txt)?(?:\.metadata)?"
)
_Keyed = TypeVar("_Keyed", StoredObject, Version)


class S3Versions(Versions):
    """The versions of a bucket's objects that are no longer the present ones, and the marks of deletions.

    A bucket without versioning has none.
    """

    def __init__(self, clients: AwsClients, bucket: str, prefix: str = "") -> None:
        """Those in `bucket`, below `prefix` (whole segments, without a slash at its ends)."""
        self._clients = clients
        self._bucket = bucket
        self._folder = f"{prefix}/" if prefix else ""
        self._root = f"s3://{bucket}/{self._folder}"

    def earlier(self) -> list[Version]:
        """See Versions. A deletion is listed where it is what there is now, too."""
        with translated(StorageError, f"What {self._root} keeps of deleted objects cannot be listed"):
            pages = self._clients.client("s3").get_paginator("list_object_versions")
            found = []
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._folder):
                replaced = [each for each in page.get("Versions", []) if not each["IsLatest"]]
                found += [self._version(each, each["Size"]) for each in replaced]
                found += [self._version(each, 0) for each in page.get("DeleteMarkers", [])]
        return sorted(found, key=lambda version: version.key)

    def read(self, version: Version) -> bytes:
        """See Versions."""
        where = {"Bucket": self._bucket, "Key": self._folder + version.key, "VersionId": version.id}
        with translated(StorageError, f"An earlier version of {version.key} cannot be read from {self._root}"):
            content: bytes = self._clients.client("s3").get_object(**where)["Body"].read()
        return content

    def remove(self, versions: Iterable[Version]) -> None:
        """See Versions."""
        objects = [{"Key": self._folder + version.key, "VersionId": version.id} for version in versions]
        with translated(StorageError, f"Earlier versions in {self._root} cannot be removed"):
            for first in range(0, len(objects), _DELETED_AT_ONCE):
                some = objects[first : first + _DELETED_AT_ONCE]
                answer = self._clients.client("s3").delete_objects(
                    Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
                )
                for error in answer.get("Errors", []):
                    raise errors.ClientError({"Error": error}, "DeleteObjects")

    def _version(self, said: dict[str, str], size: int | str) -> Version:
        return Version(said["Key"].removeprefix(self._folder), said["VersionId"], int(size))


@dataclass(frozen=True)
class WrittenObjects:
    """Objects in buckets, below prefixes that are looked up when they are needed; those alone whose names fit."""

    what: str
    clients: AwsClients
    places: Callable[[], list[tuple[str, str]]]
    names: re.Pattern[str]

    def count(self) -> int:
        """See Written. Those are included that the bucket keeps after they were deleted."""
        return sum(len(self._ours(there.list(""))) + len(self._ours(kept.earlier())) for there, kept in self._places())

    def remove(self) -> None:
        """See Written. What is kept of them goes, too."""
        for there, kept in self._places():
            there.delete(each.key for each in self._ours(there.list("")))
            kept.remove(self._ours(kept.earlier()))

    def _places(self) -> Iterator[tuple[S3Storage, S3Versions]]:
        for bucket, prefix in self.places():
            yield S3Storage(self.clients, bucket, prefix), S3Versions(self.clients, bucket, prefix)

    def _ours(self, found: Iterable[_Keyed]) -> list[_Keyed]:
        return [each for each in found if self.names.fullmatch(each.key)]


def query_results(clients: AwsClients, workgroup: str) -> Written:
    """What Athena has written of queries where a workgroup says: rows of everybody, which can be asked for again."""

    def places() -> list[tuple[str, str]]:
        """Nowhere where Athena keeps results itself, for a day."""
        with translated(StorageError, f"The workgroup {workgroup} cannot be looked up"):
            said = clients.client("athena").get_work_group(WorkGroup=workgroup)["WorkGroup"]
        location = said.get("Configuration", {}).get("ResultConfiguration", {}).get("OutputLocation")
        parts = urlsplit(location or "")
        return [(parts.netloc, parts.path.strip("/"))] if location else []

    return WrittenObjects("results of queries", clients, places, _RESULT)


def run_logs(clients: AwsClients, bucket: str) -> Written:
    """What runs have printed on ECS and Glue, of everybody."""
    return WrittenObjects("logs of runs", clients, lambda: [(bucket, RUN_LOGS)], re.compile(".*"))
