"""Leases: one at a time does something, wherever it runs, and one that dies without a word blocks nobody for long.

A lease keeps work from being done twice; it does not keep the lake right. That is what atomic writes are for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from spotifriend_dagster.lake.storage import ObjectMissing, Storage

_FOLDER = "leases"


class Held(Exception):
    """Somebody else holds the lease. `holder` is who, `until` (UTC) is when it ends at the latest."""

    def __init__(self, name: str, holder: str, until: datetime) -> None:
        super().__init__(
            f"{name} is at work already, as {holder}, until {until:%Y-%m-%d %H:%M} UTC at the latest: this one has "
            "nothing to do."
        )
        self.holder = holder
        self.until = until


@contextmanager
def lease(storage: Storage, name: str, *, holder: str, seconds: float, now: datetime) -> Iterator[None]:
    """Hold the lease `name` within the context. It ends with the context, or by itself after `seconds`.

    A lease that has ended may be taken by anybody; one that still runs by its own holder alone, who comes back after
    the first attempt died. Of several who take it at once, exactly one gets it.

    Args:
        storage: where it is kept.
        name: what is done one at a time: a segment of a key.
        holder: who takes it; somebody who tries the same thing again goes by the same name.
        seconds: how long it is held at most.
        now: UTC-aware.

    Raises:
        Held: somebody else holds it.
        StorageError: it can be neither read nor written.
    """
    key, own = f"{_FOLDER}/{name}.json", _said(holder, now + timedelta(seconds=seconds))
    content, version = _present(storage, key)
    held = _held(content, now)
    if held and held[0] != holder:
        raise Held(name, *held)
    if not _put(storage, key, own, version):
        winner, until = _held(_present(storage, key)[0], now) or ("another", now)
        raise Held(name, winner, until)
    try:
        yield
    finally:
        content, version = _present(storage, key)
        if content == own:  # else it ran out, and is another's by now
            _put(storage, key, _said(holder, now), version)


def _present(storage: Storage, key: str) -> tuple[bytes, str | None]:
    try:
        return storage.read_version(key)
    except ObjectMissing:
        return b"", None


def _put(storage: Storage, key: str, content: bytes, version: str | None) -> bool:
    return storage.write_new(key, content) if version is None else storage.replace(key, content, version)


def _held(content: bytes, now: datetime) -> tuple[str, datetime] | None:
    """Who holds it, and until when; None where it is free. A lease that cannot be read is none."""
    try:
        said = json.loads(content)
        holder, until = str(said["holder"]), datetime.fromisoformat(said["until"])
    except (ValueError, TypeError, KeyError):
        return None
    return (holder, until) if until > now else None


def _said(holder: str, until: datetime) -> bytes:
    return json.dumps({"holder": holder, "until": until.isoformat()}).encode()
