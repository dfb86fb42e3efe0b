"""The demonstration's input: a simulated listener's export, their own genres, and when they are collected live.

Collecting takes the whole product: it is in `cli/demonstration.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from spotifriend_dagster.demo.exports import write_export
from spotifriend_dagster.demo.listener import Truth, simulate

LISTENER = "robin"
DISPLAY_NAME = "Robin (simulated)"
_SEED = 7
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Plan:
    """When the simulated listener begins, exports, and is collected live from then on, in UTC.

    `outage` is when nothing runs, as while a computer is off: for more than the 50 plays that Spotify keeps.
    """

    first_day: date = date(2024, 1, 1)
    export_day: date = date(2026, 1, 1)
    last_day: date = date(2026, 1, 21)
    outage: tuple[datetime, datetime] = (datetime(2026, 1, 12, 14, tzinfo=UTC), datetime(2026, 1, 16, 14, tzinfo=UTC))
    days_between_collections: int = 7

    @property
    def exported_until(self) -> datetime:
        """The export ends here, and the live days begin."""
        return datetime.combine(self.export_day, time(tzinfo=UTC))

    @property
    def until(self) -> datetime:
        """The live days end here."""
        return datetime.combine(self.last_day, time(tzinfo=UTC)) + timedelta(days=1)

    def polls(self) -> Iterator[datetime]:
        """When plays are asked for: at the minute of the hourly schedule."""
        at = self.exported_until + timedelta(minutes=7)
        while at < self.until:
            if not self.outage[0] <= at < self.outage[1]:
                yield at
            at += _HOUR

    def collects_after(self, poll: datetime) -> bool:
        """Whether a poll is followed by a collection of what changes slowly: that of the third hour, on some days."""
        return poll.hour == 2 and (poll.date() - self.export_day).days % self.days_between_collections == 0


@dataclass(frozen=True)
class Showcase:
    """What was made: the truth, and the export of its first part."""

    truth: Truth
    export: Path


def make_showcase(folder: Path, plan: Plan) -> Showcase:
    """Simulate the listener; write the export, and a `genres.csv` as a listener may write one, into `folder`."""
    days = (plan.last_day - plan.first_day).days + 1
    truth = simulate(_SEED, start=plan.first_day, years=days / 365.25)
    folder.mkdir(parents=True, exist_ok=True)
    export = folder / "simulated_export.zip"
    write_export(truth, export, era="2025", cutoff=plan.exported_until)
    with (folder / "genres.csv").open("w", encoding="utf-8", newline="") as file:
        artists = truth.catalogue.artists
        said = csv.writer(file)
        said.writerow(("artist", "genre"))
        said.writerows(artists[["name", "genres"]].explode("genres").dropna().itertuples(index=False))
    return Showcase(truth, export)
