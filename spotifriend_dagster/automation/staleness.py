"""Which days a rebuild needs: read from the lake alone, so that losing Dagster's database changes nothing."""

from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.tables.cleaned import RECENT_PAGES
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED


def stale_days(storage: Storage) -> list[str]:
    """The days of collection, YYYY-MM-DD, for which something was received after they were last cleaned."""
    cleaned = {
        (listener, day.removesuffix(".parquet")): stored.modified
        for stored in storage.list(RECENT_PAGES.folder)
        for listener, _, day in [stored.key.split("/")[-3:]]
    }
    stale = set()
    for stored in storage.list(RECENTLY_PLAYED.folder):
        listener, day, _ = stored.key.split("/")[-3:]
        day = day.removeprefix("dt=")
        cleaned_at = cleaned.get((listener, day))
        if cleaned_at is None or stored.modified >= cleaned_at:
            stale.add(day)
    return sorted(stale)
