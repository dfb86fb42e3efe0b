"""Which days a rebuild needs: read from the lake alone, so that losing Dagster's database changes nothing."""

from collections import defaultdict
from datetime import timedelta

from spotifriend_dagster.lake.parquet import UnreadableFile, read_parquet
from spotifriend_dagster.lake.pulls import object_name
from spotifriend_dagster.lake.storage import Storage, StoredObject, path_values
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

_LONGEST_RUN = timedelta(hours=1)


def stale_days(storage: Storage) -> list[str]:
    """The days of collection, YYYY-MM-DD, of which something was received that is not cleaned yet."""
    cleaned: dict[tuple[str, str], StoredObject] = {}
    for stored in storage.list(RECENT_PAGES.folder):
        cleaned[path_values(stored.key)["listener"], object_name(stored.key).removesuffix(".parquet")] = stored
    received: dict[tuple[str, str], list[StoredObject]] = defaultdict(list)
    for stored in storage.list(RECENTLY_PLAYED.folder):
        values = path_values(stored.key)
        received[values["listener"], values["dt"]].append(stored)
    stale = {day for (listener, day), pulls in received.items() if _lacks(storage, cleaned.get((listener, day)), pulls)}
    return sorted(stale)


def _lacks(storage: Storage, cleaned: StoredObject | None, pulls: list[StoredObject]) -> bool:
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
        pages = read_parquet(storage.read(cleaned.key), RECENT_PAGES, cleaned.key)
    except UnreadableFile:
        return True
    return not doubtful <= set(pages["page"].to_pylist())
