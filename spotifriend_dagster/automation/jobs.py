"""The jobs. `collect` asks the outside world; `rebuild` makes everything else again from what was collected."""

import dagster as dg

_COLLECTED = dg.AssetSelection.assets(["raw", "recently_played"])
_IMPORTED = dg.AssetSelection.assets(["raw", "streaming_history"])
_DAILY = dg.AssetSelection.assets(
    ["cleaned", "recent_plays"], ["cleaned", "recent_pages"], ["rejects", "recent_rejects"]
)

collect_job = dg.define_asset_job(
    "collect",
    selection=_COLLECTED,
    description="Collect what Spotify serves now. A past day cannot be collected any more.",
)
rebuild_job = dg.define_asset_job(
    "rebuild",
    selection=dg.AssetSelection.all() - _COLLECTED - _IMPORTED,
    description="Clean days of collection, then answer. Backfills are of this job.",
)
answer_job = dg.define_asset_job(
    "answer",
    selection=dg.AssetSelection.all() - _COLLECTED - _IMPORTED - _DAILY,
    description="The rebuild without days: unite what is cleaned, then answer.",
)
import_job = dg.define_asset_job(
    "import_export",
    selection=dg.AssetSelection.all() - _COLLECTED - _DAILY,
    description="Import an export (config: path, listener), then answer.",
)

JOBS = [collect_job, rebuild_job, answer_job, import_job]
