"""The script of the job of Glue's: one shard of listeners, united by the same code as in a run, and told through Pipes.

Whoever starts it, and what becomes of what it says, is in `assets/plays_on_glue.py`; its settings are arguments of the
job, as Glue gives a job no environment.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from spotifriend_dagster.assets.resources import Listeners
from spotifriend_dagster.assets.specs import Audits
from spotifriend_dagster.assets.uniting import UNITED, Uniting, shard_of, sources_in
from spotifriend_dagster.definitions import build_home
from spotifriend_dagster.lake.io_managers import TableIOManager
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.settings import load_settings

_SETTING = "--SPOTIFRIEND_"
log = logging.getLogger("spotifriend.glue")


def unite_shard(storage: Storage, listeners: Listeners, shard: int, shards: int) -> dict[str, Any]:
    """Unite the listeners of one of so many shards, and write their tables; nothing of anybody else is touched.

    Gives, as JSON can say it, what was written of each table and what is wrong with it, and who was left out and why.

    Raises:
        StorageError: something cannot be written.
    """
    uniting = Uniting(sources_in(storage), listeners, log)
    audits, tables = Audits(*UNITED), TableIOManager(storage)
    told = {}
    for table, parts in uniting.parts(each for each in uniting.present() if shard_of(each, shards) == shard):
        written = tables.write_whole(table, audits.of(table, parts))[None]
        told[table.name] = {
            "rows": written.rows,
            "bytes": written.size,
            "listeners": len(written.listeners),
            "faults": audits.faults(table),
        }
    return {"tables": told, "failures": uniting.failures}


def settings_in(arguments: Sequence[str]) -> Mapping[str, str]:
    """The settings among a job's arguments, as variables of the environment: `--SPOTIFRIEND_BUCKET lake`."""
    pairs = pairwise(arguments)
    return {
        name.removeprefix("--"): value
        for name, value in pairs
        if name.startswith(_SETTING) and not value.startswith("--")  # then nothing was said, and the next one follows
    }


def main() -> None:
    """Do what a run asked for, by what Glue passed on.

    Raises:
        SettingsError: a setting is missing or wrong.
    """
    import boto3  # noqa: PLC0415 - heavy
    from dagster_pipes import (  # noqa: PLC0415
        PipesCliArgsParamsLoader,
        PipesS3ContextLoader,
        PipesS3MessageWriter,
        open_dagster_pipes,
    )

    logging.basicConfig(level=logging.INFO)
    os.environ.update(settings_in(sys.argv[1:]))
    settings = load_settings()
    s3 = boto3.client("s3", region_name=settings.region)
    with open_dagster_pipes(
        context_loader=PipesS3ContextLoader(s3),
        message_writer=PipesS3MessageWriter(s3, interval=1),
        params_loader=PipesCliArgsParamsLoader(),
    ) as pipes:
        home = build_home(settings)
        shard, shards = pipes.get_extra("shard"), pipes.get_extra("shards")
        told = unite_shard(home.lake.storage, home.listeners, shard, shards)
        log.info("Shard %d of %d is united.", shard + 1, shards)
        pipes.report_custom_message(told)


if __name__ == "__main__":
    main()
