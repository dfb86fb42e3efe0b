"""Which days a rebuild needs: read from the lake alone, so that losing Dagster's database changes nothing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta

from spotifriend_dagster.lake.parquet import UnreadableFile, read_parquet
from spotifriend_dagster.lake.pulls import object_name
from spotifriend_dagster.lake.storage import Storage, StoredObject, path_values
from spotifriend_dagster.tables import raw
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.snapshots import SNAPSHOT_PULLS

_LONGEST_RUN = timedelta(hours=1)
_NOT_BY_DAY = (raw.AUDIO_FEATURES, raw.API_PULLS)
_BY_DAY = tuple(table for table in raw.COLLECTED_TABLES if table not in (raw.RECENTLY_PLAYED, *_NOT_BY_DAY))


def stale_days(storage: Storage) -> list[str]:
    """The days of collection, YYYY-MM-DD, of which something was received that is not cleaned yet."""
    polled = _stale(storage, (raw.RECENTLY_PLAYED,), RECENT_PAGES)
    return sorted({*polled, *_stale(storage, _BY_DAY, SNAPSHOT_PULLS)})


def _stale(storage: Storage, received: Iterable[Table], cleaned: Table) -> Iterator[str]:
    """The days that lack a pull; the table `cleaned` names those that its days were made from, in the column `page`."""
    files: dict[tuple[str, str], StoredObject] = {}
    for stored in storage.list(cleaned.folder):
        files[path_values(stored.key)["listener"], object_name(stored.key).removesuffix(".parquet")] = stored
    pulls: dict[tuple[str, str], list[StoredObject]] = defaultdict(list)
    for table in received:
        for stored in storage.list(table.folder):
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
    doubtful = {_named(pull) for pull in pulls if pull.modified > cleaned.modified - _LONGEST_RUN}
    if not doubtful:
        return False
    try:
        rows = read_parquet(storage.read(cleaned.key), table, cleaned.key)
    except UnreadableFile:
        return True
    return not doubtful <= {
        (row.get("source", _source(raw.RECENTLY_PLAYED.folder)), row["page"]) for row in rows.to_pylist()
    }


def _named(pull: StoredObject) -> tuple[str, str]:
    """A pull as cleaned tables name it: its source, and its object."""
    return _source(pull.key), object_name(pull.key)


def _source(key: str) -> str:
    return key.split("/")[1]
