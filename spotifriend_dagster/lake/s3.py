"""Objects by key in a bucket of S3: the aws home's storage. Errors of AWS become sentences in `aws.py`."""

from __future__ import annotations

import time
import uuid
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from typing import Any

import botocore.exceptions as errors

from spotifriend_dagster.lake.aws import AwsClients, code_of, translated
from spotifriend_dagster.lake.storage import Elsewhere, ObjectMissing, StorageError, StoredObject, segments

_ATTEMPTS = 6
_WAIT_SECONDS = 0.1
_DELETED_AT_ONCE = 1000  # as many as DeleteObjects takes
_CUT_OFF = (errors.ReadTimeoutError, errors.ResponseStreamingError, errors.IncompleteReadError)
_WRITER = "writer"


def read_object(client: Any, bucket: str, key: str) -> bytes:
    """The content of an object.

    Raises:
        ClientError, BotoCoreError: as botocore raises them.
    """
    return _read_version(client, bucket, key)[0]


def _read_version(client: Any, bucket: str, key: str) -> tuple[bytes, str]:
    """An object's content and ETag; asked for again where it breaks off, which botocore does only before it begins."""
    for attempt in count(1):
        try:
            answer = client.get_object(Bucket=bucket, Key=key)
            return answer["Body"].read(), answer["ETag"]
        except _CUT_OFF:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("The last attempt gives, or raises.")


class S3Storage:
    """Objects in a bucket, below a prefix.

    An object is put by one PUT, which S3 makes visible whole or not at all, encrypted by the key that is given, else by
    S3's own; its SHA-256 goes with it, which S3 compares on arrival and keeps.
    """

    def __init__(self, clients: AwsClients, bucket: str, prefix: str = "", kms_key: str | None = None) -> None:
        """A storage in `bucket`, below `prefix` (whole segments, without a slash at its ends)."""
        self.bucket = bucket
        self._clients = clients
        self._folder = f"{prefix}/" if prefix else ""
        self._root = f"s3://{bucket}/{self._folder}"
        self._encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key, "BucketKeyEnabled": True}
            if kms_key
            else {"ServerSideEncryption": "AES256"}
        )

    def read(self, key: str) -> bytes:
        """See Storage."""
        return self._read(key)[0]

    def write(self, key: str, content: bytes) -> None:
        """See Storage."""
        where = self._where(key)
        with self._writing(key) as client:
            client.put_object(**where, **self._encryption, Body=content, ChecksumAlgorithm="SHA256")

    def write_new(self, key: str, content: bytes) -> bool:
        """See Storage."""
        return self._put_if(key, content, IfNoneMatch="*")

    def read_version(self, key: str) -> tuple[bytes, str]:
        """See Storage. A version is S3's ETag."""
        return self._read(key)

    def replace(self, key: str, content: bytes, version: str) -> bool:
        """See Storage."""
        return self._put_if(key, content, IfMatch=version)

    def folders(self, prefix: str) -> list[str]:
        """See Storage."""
        folder = self._folder_of(prefix)
        with self._asked(f"{self._root}{prefix} cannot be listed") as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder, Delimiter="/")
            names = [found["Prefix"][len(folder) : -1] for page in pages for found in page.get("CommonPrefixes", [])]
        return [name for name in names if _is_key(name)]

    def list(self, prefix: str, after: str = "") -> list[StoredObject]:
        """See Storage."""
        folder = self._folder_of(prefix)
        asked = {"StartAfter": self._folder + after} if after else {}
        with self._asked(f"{self._root}{prefix} cannot be listed") as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder, **asked)
            return [
                StoredObject(key, stored["Size"], stored["LastModified"])
                for page in pages
                for stored in page.get("Contents", [])
                if _is_key(key := stored["Key"].removeprefix(self._folder))
            ]

    def delete(self, keys: Iterable[str]) -> None:
        """See Storage."""
        objects = [{"Key": self._where(key)["Key"]} for key in keys]
        with self._asked(f"Objects of {self._root} cannot be deleted") as client:
            for first in range(0, len(objects), _DELETED_AT_ONCE):
                some = objects[first : first + _DELETED_AT_ONCE]
                answer = client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
                for error in answer.get("Errors", []):
                    raise errors.ClientError({"Error": error}, "DeleteObjects")

    def sha256(self, key: str) -> str:
        """See Storage. Asked of S3, which knows it of all that was written here; else of the content."""
        where = self._where(key)
        with self._asked(f"{key} cannot be read from {self._root}") as client:
            try:
                head = client.head_object(**where, ChecksumMode="ENABLED")
            except errors.ClientError as error:
                if code_of(error) == "404":  # a HEAD has no body that could say whether key or bucket is missing
                    return sha256(self.read(key)).hexdigest()
                raise
        known = head.get("ChecksumSHA256", "")
        if not known or "-" in known:  # of an upload in parts it is one over the parts
            return sha256(self.read(key)).hexdigest()
        return b64decode(known).hex()

    def uri(self, key: str) -> str:
        """See Storage."""
        segments(key)
        return self._root + key

    def address(self, key: str) -> str:
        """See Storage. The page of AWS's console, from which it is opened."""
        where = f"{self.bucket}?region={self._clients.region}&prefix={self._where(key)['Key']}"
        return f"https://{self._clients.region}.console.aws.amazon.com/s3/object/{where}"

    def key_of(self, uri: str) -> str:
        """See Storage."""
        key = uri.removeprefix(self._root)
        if key == uri:
            raise Elsewhere(uri, self._root)
        segments(key)
        return key

    def _read(self, key: str) -> tuple[bytes, str]:
        where = self._where(key)
        with self._asked(f"{key} cannot be read from {self._root}") as client:
            try:
                return _read_version(client, where["Bucket"], where["Key"])
            except client.exceptions.NoSuchKey:
                raise self._missing(key) from None

    def _put_if(self, key: str, content: bytes, **condition: str) -> bool:
        """Put an object on a condition; whether it held.

        S3 decides between writers. An answer may be lost on its way, and the repeated PUT then meets what the first one
        wrote: so the object says who its writer is.
        """
        where, writer = self._where(key), uuid.uuid4().hex
        put = {**where, **self._encryption, **condition, "Body": content, "ChecksumAlgorithm": "SHA256"}
        with self._writing(key) as client:
            for attempt in count(1):
                try:
                    client.put_object(**put, Metadata={_WRITER: writer})
                    return True
                except errors.ClientError as error:
                    if code_of(error) == "NoSuchKey":  # it was deleted since it was read
                        return False
                    if code_of(error) == "PreconditionFailed":
                        was_repeated = attempt > 1 or error.response["ResponseMetadata"].get("RetryAttempts", 0)
                        return bool(was_repeated) and self._writer_of(client, where) == writer
                    if code_of(error) != "ConditionalRequestConflict" or attempt == _ATTEMPTS:
                        raise
                    time.sleep(_WAIT_SECONDS * 2 ** (attempt - 1))  # others write it at this very moment
        raise AssertionError("The last attempt gives, or raises.")

    def _folder_of(self, prefix: str) -> str:
        return self._folder + "".join(f"{segment}/" for segment in segments(prefix)) if prefix else self._folder

    def _where(self, key: str) -> dict[str, str]:
        segments(key)
        return {"Bucket": self.bucket, "Key": self._folder + key}

    def _missing(self, key: str) -> ObjectMissing:
        return ObjectMissing(f"The lake has no object {key} (looked in {self._root}).")

    def _writer_of(self, client: Any, where: dict[str, str]) -> str | None:
        metadata: dict[str, str] = client.head_object(**where)["Metadata"]
        return metadata.get(_WRITER)

    @contextmanager
    def _asked(self, what: str) -> Iterator[Any]:
        with translated(StorageError, what):
            yield self._clients.client("s3")

    @contextmanager
    def _writing(self, key: str) -> Iterator[Any]:
        with self._asked(f"{key} cannot be written to {self._root}, where everything is as it was") as client:
            yield client


def _is_key(key: str) -> bool:
    """Whether it is an object of the lake: a folder that was made in the console is an object, too, of no content."""
    try:
        segments(key)
    except ValueError:
        return False
    return not key.endswith("/")
