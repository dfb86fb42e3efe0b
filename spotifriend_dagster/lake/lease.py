"""Leases: one at a time does something, wherever it runs, and one that dies without a word blocks nobody for long.

A lease keeps work from being done twice; it does not keep the lake right. That is what atomic writes are for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from spotifriend_dagster.lake.storage import ObjectMissing, Storage

FORGETTING = "forget"
"""The lease of whoever forgets a listener, with whom nothing may write: what had just gone would come back."""
IMPORTING = "inbox-"
"""How the names of leases begin that are for one object of the inbox each."""
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


def holder_of(storage: Storage, name: str, now: datetime) -> str | None:
    """Who holds a lease whose name begins like this, and until when; None where nobody does.

    Two who must not work at once each take a lease of their own first, and look for the other's then: one of them, or
    both, will see it.

    Args:
        storage: where leases are kept.
        name: of the lease, or how names begin.
        now: UTC-aware.

    Raises:
        StorageError: they cannot be read.
    """
    for stored in storage.list(_FOLDER):
        if stored.key.startswith(f"{_FOLDER}/{name}") and (held := _held(_present(storage, stored.key)[0], now)):
            return f"{held[0]} is at work until {held[1]:%Y-%m-%d %H:%M} UTC at the latest"
    return None


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
