"""Which days a rebuild needs: read from the lake alone, so that losing Dagster's database changes nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from typing import Any

from spotifriend_dagster.lake.parquet import UnreadableFile, read_parquet
from spotifriend_dagster.lake.pulls import object_name
from spotifriend_dagster.lake.storage import Storage, StoredObject, instant_name, path_values
from spotifriend_dagster.tables import raw, snapshots
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.declaration import Table

_LONGEST_RUN = timedelta(hours=1)
_CLEANED_AS = {
    raw.RECENTLY_PLAYED: RECENT_PAGES,
    raw.TOP_TRACKS: snapshots.TOP_TRACKS,
    raw.TOP_ARTISTS: snapshots.TOP_ARTISTS,
    raw.PLAYLISTS: snapshots.PLAYLISTS,
    raw.PLAYLIST_ITEMS: snapshots.PLAYLIST_TRACKS,
    raw.SAVED_TRACKS: snapshots.SAVED_TRACKS,
    raw.FOLLOWED_ARTISTS: snapshots.FOLLOWED_ARTISTS,
    raw.PROFILE: snapshots.PROFILES,
    raw.ARTISTS: snapshots.ARTISTS,
    raw.TRACKS: snapshots.TRACKS,
    raw.ALBUMS: snapshots.ALBUMS,
}
"""What is cleaned day by day, as which table. Audio features and records of pulls are not."""


def stale_days(storage: Storage) -> list[str]:
    """The days of collection, YYYY-MM-DD, of which something was received that is not cleaned yet."""
    return sorted({day for received, cleaned in _CLEANED_AS.items() for day in _stale(storage, received, cleaned)})


def _stale(storage: Storage, received: Table, cleaned: Table) -> Iterator[str]:
    files: dict[tuple[str, str], StoredObject] = {}
    for stored in storage.list(cleaned.folder):
        files[path_values(stored.key)["listener"], object_name(stored.key).removesuffix(".parquet")] = stored
    pulls: dict[tuple[str, str], list[StoredObject]] = defaultdict(list)
    for stored in storage.list(received.folder):
        values = path_values(stored.key)
        pulls[values["listener"], values["dt"]].append(stored)
    for (listener, day), of_day in pulls.items():
        if _lacks(storage, cleaned, files.get((listener, day)), of_day):
            yield day


def _lacks(storage: Storage, table: Table, cleaned: StoredObject | None, pulls: list[StoredObject]) -> bool:
    """Whether a cleaned day was made without one of these pulls.

    One that is much older than the cleaned file was there when it was made. A younger one may have come while it was
    being made, and a lake that was copied has the times of the copy; so the file itself is asked.
    """
    if cleaned is None:
        return True
    doubtful = {object_name(pull.key) for pull in pulls if pull.modified > cleaned.modified - _LONGEST_RUN}
    if not doubtful:
        return False
    try:
        rows = read_parquet(storage.read(cleaned.key), table, cleaned.key)
    except UnreadableFile:
        return True
    holds = _names_its_pulls(rows) if table is RECENT_PAGES else _goes_up_to_its_newest(rows)
    return not all(holds(pull) for pull in doubtful)


def _names_its_pulls(rows: Any) -> Callable[[str], bool]:
    return set(rows["page"].to_pylist()).__contains__


def _goes_up_to_its_newest(rows: Any) -> Callable[[str], bool]:
    """A day's last answers count, so that earlier ones may be gone; of a day without rows nothing can be said."""
    newest = max(rows["pulled_at"].to_pylist(), default=None)
    name = "" if newest is None else instant_name(newest.replace(tzinfo=UTC))
    return lambda pull: pull <= name
