"""What assets and checks are handed: the lake, and the listeners. Built in definitions.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.lake.catalog import Catalog
from spotifriend_dagster.lake.engine import Engine
from spotifriend_dagster.lake.files import Files
from spotifriend_dagster.lake.publishing import States
from spotifriend_dagster.lake.reading import Reader
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.sources.musicbrainz import MusicBrainz


@dataclass(frozen=True)
class Lake:
    """The lake's three ports, of one home."""

    storage: Storage
    catalog: Catalog
    engine: Engine

    def reader(self, listener: str, files: Files | None = None) -> Reader:
        """What answers questions about one listener; `files` are those of the run that asks, looked up anew without."""
        return Reader(files or Files(self.storage), self.catalog, listener)

    def states(self, run_id: str) -> States:
        """The tables that a run's queries read. Of use where each is made before anything of the run reads it."""
        return _states(self, run_id)


@lru_cache(maxsize=1)
def _states(lake: Lake, _run_id: str) -> States:
    return States(lake.catalog, lake.storage)


@dataclass(frozen=True)
class MoreFacts:
    """Where more is known of music than Spotify says: the user's own files, and MusicBrainz where it is turned on.

    `user_files` gives the folder in which they are now: `genres.csv`, `audio_features.csv` or `.parquet`, or none.
    """

    user_files: Callable[[], Path]
    musicbrainz: MusicBrainz | None = None


class Listener(Protocol):
    """What an asset needs to know of a listener."""

    @property
    def id(self) -> str:
        """The id: the prefix of everything of theirs in the lake."""

    @property
    def display_name(self) -> str:
        """The name that people read."""

    @property
    def zones(self) -> ZoneHistory:
        """Which time zone was valid for them, and when."""

    @property
    def include_private_sessions(self) -> bool:
        """Whether private sessions take part in insights."""


class Listeners(Protocol):
    """Who there is, read anew at each run."""

    def read(self) -> Mapping[str, Listener]:
        """The listeners by id."""

    def get(self, listener: str) -> Listener:
        """The listener of that id; an error that names the cure where there is none."""
