"""The demonstration's input: a simulated listener's export, and the polls of the weeks after it, put into a lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.polls import poll_answers
from spotifriend_dagster.lake.pulls import object_name, write_pull
from spotifriend_dagster.lake.storage import Storage, instant_name
from spotifriend_dagster.tables.raw import RECENTLY_PLAYED

LISTENER = "robin"
DISPLAY_NAME = "Robin (simulated)"
_SEED = 7
_FIRST_DAY = date(2024, 1, 1)
_EXPORTED_UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
_YEARS_OF_EXPORT = 2.0
_WEEKS_OF_POLLS = 4


@dataclass(frozen=True)
class Showcase:
    """What was made: the truth, and the export of its first two years."""

    truth: Truth
    export: Path


def make_showcase(storage: Storage, folder: Path) -> Showcase:
    """Write the export into `folder` and the polls into the lake; what is already there is left as it is.

    The export holds 2024 and 2025; polls are hourly for four weeks from then on.
    """
    truth = simulate(_SEED, start=_FIRST_DAY, years=_YEARS_OF_EXPORT + 7 * _WEEKS_OF_POLLS / 365.25)
    folder.mkdir(parents=True, exist_ok=True)
    export = folder / "simulated_export.zip"
    write_export(truth, export, era="2025", cutoff=_EXPORTED_UNTIL)
    there = {object_name(stored.key) for stored in storage.list(f"{RECENTLY_PLAYED.folder}/listener={LISTENER}")}
    for instant, answer in poll_answers(truth, _EXPORTED_UNTIL, truth.end.to_pydatetime()):
        pulled_at = instant.to_pydatetime()
        if instant_name(pulled_at) not in there:
            write_pull(storage, RECENTLY_PLAYED, LISTENER, pulled_at, [("/v1/me/player/recently-played", answer)])
    return Showcase(truth, export)
