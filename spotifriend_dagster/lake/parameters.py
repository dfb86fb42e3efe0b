"""Secrets of the aws home: parameters of SSM, encrypted. What is in them belongs to their owners."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from spotifriend_dagster.lake.aws import AwsClients, translated
from spotifriend_dagster.lake.storage import segments

_ATTEMPTS = 6
_WAIT_SECONDS = 0.1
_LONGEST = 4096  # bytes, of a parameter that costs nothing


class ParameterSecrets:
    """Texts as SecureString parameters of the standard tier, which costs nothing, below a prefix (`/spotifriend`).

    They are encrypted by the key that is given, else by the account's own for SSM. Names are paths of plain segments
    (`spotify/anna`). SSM keeps the hundred versions before.
    """

    def __init__(self, clients: AwsClients, prefix: str, kms_key: str | None = None) -> None:
        self._clients = clients
        self._prefix = prefix
        self._key = {"KeyId": kms_key} if kms_key else {}

    def read(self, name: str) -> str | None:
        """The text; None where there is none.

        Raises:
            OSError: it cannot be read.
        """
        parameter = self._parameter(name)
        with self._asked(parameter) as ssm:
            try:
                text: str = ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]
            except ssm.exceptions.ParameterNotFound:
                return None
            return text

    def write(self, name: str, text: str) -> None:
        """Put a text in place of whatever has its name.

        Raises:
            OSError: it is longer than 4 KB, or cannot be written; what was there is still there.
        """
        parameter = self._parameter(name)
        if len(text.encode()) > _LONGEST:
            raise OSError(errno.EFBIG, f"{parameter} of SSM would be longer than {_LONGEST:,} bytes")
        kind = {"Type": "SecureString", "Tier": "Standard", **self._key}
        with self._asked(parameter) as ssm:
            for attempt in count(1):
                try:
                    ssm.put_parameter(Name=parameter, Value=text, Overwrite=True, **kind)
                    return
                except ssm.exceptions.TooManyUpdates:  # another run writes it at this very moment
                    if attempt == _ATTEMPTS:
                        raise
                    time.sleep(_WAIT_SECONDS * 2 ** (attempt - 1))

    def delete(self, name: str) -> None:
        """Remove a text; one that is not there is no error.

        Raises:
            OSError: it cannot be removed.
        """
        parameter = self._parameter(name)
        with self._asked(parameter) as ssm:
            try:
                ssm.delete_parameter(Name=parameter)
            except ssm.exceptions.ParameterNotFound:
                return

    def _parameter(self, name: str) -> str:
        try:
            return "/".join([self._prefix, *segments(f"{name}/")])
        except ValueError:
            raise ValueError(f"Not the name of a secret: {name!r}.") from None

    @contextmanager
    def _asked(self, parameter: str) -> Iterator[Any]:
        with translated(_refused, f"{parameter} of SSM"):
            yield self._clients.client("ssm")


def _refused(sentence: str) -> OSError:
    return OSError(errno.EACCES, sentence.rstrip("."))
