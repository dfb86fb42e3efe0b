"""What a bucket keeps of objects that were replaced or deleted, and what Athena keeps of queries. Forgetting needs it.

Objects as they are now belong to `s3.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

import botocore.exceptions as errors

from spotifriend_dagster.lake.aws import AwsClients, translated
from spotifriend_dagster.lake.forgetting import Version, Versions
from spotifriend_dagster.lake.s3 import S3Storage
from spotifriend_dagster.lake.storage import StorageError, StoredObject

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


class QueryResults:
    """What Athena has written of queries where a workgroup says: rows of everybody, which can be asked for again."""

    def __init__(self, clients: AwsClients, workgroup: str) -> None:
        self._clients = clients
        self._workgroup = workgroup

    def count(self) -> int:
        """How many objects there are, those included that the bucket keeps after they were deleted.

        Raises:
            StorageError: they cannot be listed.
        """
        return sum(
            len(_of_athena(results.list(""))) + len(_of_athena(kept.earlier())) for results, kept in self._places()
        )

    def remove(self) -> None:
        """Remove them, and what is kept of them. Only what is named as Athena names it is touched.

        Raises:
            StorageError: one cannot be removed.
        """
        for results, kept in self._places():
            results.delete(each.key for each in _of_athena(results.list("")))
            kept.remove(_of_athena(kept.earlier()))

    def _places(self) -> Iterator[tuple[S3Storage, S3Versions]]:
        """Where they are; nowhere where Athena keeps results itself, for a day."""
        with translated(StorageError, f"The workgroup {self._workgroup} cannot be looked up"):
            said = self._clients.client("athena").get_work_group(WorkGroup=self._workgroup)["WorkGroup"]
        if location := said.get("Configuration", {}).get("ResultConfiguration", {}).get("OutputLocation"):
            place = urlsplit(location)
            where = (place.netloc, place.path.strip("/"))
            yield S3Storage(self._clients, *where), S3Versions(self._clients, *where)


def _of_athena(found: Iterable[_Keyed]) -> list[_Keyed]:
    return [each for each in found if _RESULT.fullmatch(each.key)]
