"""The raw asset of exports, as received. Reading them belongs to `sources/`, meaning to `cleaning/`.

What the Web API answers is in `collected.py`.
"""

from pathlib import Path

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import OWNERS, asset_key, table_metadata
from spotifriend_dagster.lake.pulls import history_key
from spotifriend_dagster.sources.exports import read_export
from spotifriend_dagster.tables.raw import STREAMING_HISTORY


class ImportConfig(dg.Config):
    """Which export to import, and for whom; without a path nothing is added."""

    path: str = ""
    listener: str = "me"


@dg.asset(
    key=asset_key(STREAMING_HISTORY),
    group_name="raw",
    kinds={"spotify", "json"},
    owners=OWNERS,
    description=STREAMING_HISTORY.description,
    metadata=table_metadata(STREAMING_HISTORY),
)
def streaming_history(
    context: dg.AssetExecutionContext,
    config: ImportConfig,
    lake: dg.ResourceParam[Lake],
    listeners: dg.ResourceParam[Listeners],
) -> dg.MaterializeResult:
    """Add the rows of one export to those that the lake holds; the same export again changes nothing."""
    metadata: dict[str, dg.MetadataValue | int | str] = {}
    if config.path:
        listener = listeners.get(config.listener).id
        export = read_export(Path(config.path))
        rows = 0
        files: list[str] = []
        problems = list(export.problems)
        keys = set()
        for file in export.encoded_files():
            key = history_key(listener, export.sha256, file.name)
            lake.storage.write(key, file.content)
            keys.add(key)
            context.log.info("%s: %d rows", file.name, file.rows)
            rows += file.rows
            files.append(file.name)
            problems += file.problems
        # The same export with its files renamed is the same export: its rows are not to be there under two names.
        there = lake.storage.list(history_key(listener, export.sha256, "").rpartition("/")[0])
        lake.storage.delete(stored.key for stored in there if stored.key not in keys)
        for problem in problems:
            context.log.warning(problem)
        metadata |= {
            "listener": listener,
            "export": export.sha256,
            "rows_imported": rows,
            "files_imported": dg.MetadataValue.json(files),
            "files_ignored": dg.MetadataValue.json(list(export.ignored)),
            "problems": dg.MetadataValue.json(problems),
        }
    stored = lake.storage.list(STREAMING_HISTORY.folder)
    return dg.MaterializeResult(
        metadata=metadata
        | {
            "exports": len({stored_object.key.rpartition("/")[0] for stored_object in stored}),
            "files": len(stored),
            "bytes": sum(stored_object.size for stored_object in stored),
            "dagster/uri": lake.storage.uri(STREAMING_HISTORY.folder + "/"),
        }
    )
