"""The jobs. `poll`, `collect` and `look_up` ask the outside world; `rebuild` makes everything else from the answers."""

import dagster as dg

from spotifriend_dagster.assets.specs import asset_key
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import API_PULLS, COLLECTED_TABLES, MUSICBRAINZ, RECENTLY_PLAYED, STREAMING_HISTORY
from spotifriend_dagster.tables.snapshots import DAILY_SNAPSHOTS


def _assets(*tables: Table) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*map(asset_key, tables))


_POLLED = _assets(RECENTLY_PLAYED)
_COLLECTED = _assets(*(table for table in COLLECTED_TABLES if table not in (RECENTLY_PLAYED, API_PULLS)))
_LOOKED_UP = _assets(MUSICBRAINZ)
_IMPORTED = _assets(STREAMING_HISTORY)
_DAILY = _assets(RECENT_PLAYS, RECENT_PAGES, RECENT_REJECTS, *DAILY_SNAPSHOTS)
_MADE = dg.AssetSelection.all() - _POLLED - _COLLECTED - _LOOKED_UP - _IMPORTED

poll_job = dg.define_asset_job(
    "poll",
    selection=_POLLED,
    description="Ask for everybody's last 50 plays. A past day cannot be collected any more.",
)
collect_job = dg.define_asset_job(
    "collect",
    selection=_COLLECTED,
    description="Collect what else Spotify serves now: tops, playlists, library, look-ups. Once a day is enough.",
)
look_up_job = dg.define_asset_job(
    "look_up",
    selection=_LOOKED_UP,
    description="Ask MusicBrainz for genres that nobody else says, where it is turned on. The next rebuild uses them.",
)
rebuild_job = dg.define_asset_job(
    "rebuild",
    selection=_MADE,
    description="Clean days of collection, then answer. Backfills are of this job.",
)
clean_job = dg.define_asset_job(
    "clean",
    selection=_DAILY,
    description="The rebuild without answers: days of collection alone, for portions of a long rebuild.",
)
answer_job = dg.define_asset_job(
    "answer",
    selection=_MADE - _DAILY,
    description="The rebuild without days: unite what is cleaned, then answer.",
)
import_job = dg.define_asset_job(
    "import_export",
    selection=(_MADE - _DAILY) | _IMPORTED,
    description="Import an export (config: path, listener), then answer.",
)

JOBS = [poll_job, collect_job, look_up_job, rebuild_job, clean_job, answer_job, import_job]
