"""The sources: for each raw table of the Web API, what is asked of it, in the order in which a day collects them.

What is due is decided in `plans.py`. Keeping the answers, and what goes wrong on the way, belongs to `pulls.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spotifriend_dagster.collecting.needs import Needs
from spotifriend_dagster.collecting.plans import (
    DENIED_FOR,
    GOOD_FOR,
    LIBRARY_EVERY,
    Library,
    LibraryWalk,
    look_ups_due,
    playlists_due,
)
from spotifriend_dagster.lake.pulls import last_pull, read_pull
from spotifriend_dagster.lake.storage import Storage
from spotifriend_dagster.sources.spotify.client import Answer, SpotifyClient
from spotifriend_dagster.sources.spotify.errors import Forbidden, NotFound, PullStopped
from spotifriend_dagster.tables.declaration import Table
from spotifriend_dagster.tables.raw import (
    ALBUMS,
    ARTISTS,
    AUDIO_FEATURES,
    FOLLOWED_ARTISTS,
    PLAYLIST_ITEMS,
    PLAYLISTS,
    PROFILE,
    RECENTLY_PLAYED,
    SAVED_TRACKS,
    TOP_ARTISTS,
    TOP_TRACKS,
    TRACKS,
)


@dataclass
class Asking:
    """One source being asked for one listener.

    `remembered` is what the pull before left to know, and is changed to what the next one has to know; `open_client`
    gives the client when there is something to ask; `refused` collects what was denied or is not there any more.
    """

    listener: str
    storage: Storage
    needs: Needs
    now: datetime
    open_client: Callable[[], SpotifyClient]
    remembered: dict[str, Any]
    refused: list[str] = field(default_factory=list)

    def still(self, name: str) -> dict[str, str]:
        """What is remembered under a name by id, each until an instant, as far as that is to come."""
        until: Mapping[str, str] = self.remembered.get(name, {})
        return {id_: instant for id_, instant in until.items() if datetime.fromisoformat(instant) > self.now}


@dataclass(frozen=True)
class Source:
    """What is asked for one raw table: `ask` yields the answers that are to be kept, one per page.

    `is_poll` where what is not asked for in time is lost; `is_denied_for_long` where a denial is not tested every day.
    """

    table: Table
    ask: Callable[[Asking], Iterator[Answer]]
    is_poll: bool = False
    is_denied_for_long: bool = False

    @property
    def name(self) -> str:
        """The table's name, without its layer: `top_tracks`."""
        return self.table.name.removeprefix("raw_")


def _ask_all(pages: Callable[[SpotifyClient], Iterator[Answer]]) -> Callable[[Asking], Iterator[Answer]]:
    return lambda asking: pages(asking.open_client())


def _playlist_items(asking: Asking) -> Iterator[Answer]:
    """The content of own and collaborative playlists that have changed since their content was pulled."""
    refused = asking.remembered["refused"] = asking.still("refused")
    listed = _last_bodies(asking, PLAYLISTS)
    playlists = [item for page in listed for item in (page.get("items") if isinstance(page, dict) else None) or ()]
    profile = next(iter(_last_bodies(asking, PROFILE)), None)
    own_id = profile.get("id") if isinstance(profile, dict) else None
    held = asking.remembered["snapshots"] = dict(asking.remembered.get("snapshots", {}))
    for playlist in playlists_due(playlists, own_id, held, refused.keys()):
        try:
            yield from asking.open_client().playlist_items(playlist.id)
        except (Forbidden, NotFound):
            refused[playlist.id] = (asking.now + DENIED_FOR).isoformat()
            asking.refused.append(f"playlist {playlist.id}")
        else:
            held[playlist.id] = playlist.snapshot_id


def _saved_tracks(asking: Asking) -> Iterator[Answer]:
    """Liked songs: those that are new, or all of them where some were removed, or not yet all are known."""
    walk = LibraryWalk(_known_library(asking))
    try:
        for page in asking.open_client().saved_tracks():
            yield page
            if not walk.wants_more_after(page.body):
                break
    except PullStopped:
        if walk.is_whole:  # as far as it came is what is known for now
            _remember_library(asking, walk, is_complete=False)
        raise
    _remember_library(asking, walk, is_complete=walk.is_whole or asking.remembered.get("is_complete", True))


def _known_library(asking: Asking) -> Library | None:
    said = asking.remembered
    if "total" not in said:
        return None
    if not said["is_complete"] and datetime.fromisoformat(said["tried_at"]) + LIBRARY_EVERY <= asking.now:
        return None
    return Library(said["total"], frozenset((added_at, uri) for added_at, uri in said["newest"]))


def _remember_library(asking: Asking, walk: LibraryWalk, *, is_complete: bool) -> None:
    if walk.found is not None:
        tried_at = asking.now.isoformat() if walk.is_whole else asking.remembered.get("tried_at")
        asking.remembered = {
            "total": walk.found.total,
            "newest": sorted(walk.found.newest),
            "is_complete": is_complete,
            "tried_at": tried_at,
        }


def _look_up(
    table: Table,
    needed: Callable[[Needs], Mapping[str, datetime]],
    pages: Callable[[SpotifyClient, str], Iterator[Answer]],
    limit: int,
) -> Callable[[Asking], Iterator[Answer]]:
    """Asks for one id after the other; what is not there is not asked for again until a look-up would be old."""

    def ask(asking: Asking) -> Iterator[Answer]:
        missing = asking.remembered["missing"] = asking.still("missing")
        for id_ in look_ups_due(needed(asking.needs), _looked_up(asking, table, missing), asking.now, limit):
            try:
                yield from pages(asking.open_client(), id_)
            except NotFound:
                missing[id_] = (asking.now + GOOD_FOR).isoformat()

    return ask


def _audio_features(asking: Asking) -> Iterator[Answer]:
    due = look_ups_due(asking.needs.tracks, _looked_up(asking, AUDIO_FEATURES, {}), asking.now, _FEATURES_PER_RUN)
    if due:
        yield from asking.open_client().audio_features(due)


def _looked_up(asking: Asking, table: Table, missing: Mapping[str, str]) -> dict[str, datetime]:
    in_vain = {id_: datetime.fromisoformat(until) - GOOD_FOR for id_, until in missing.items()}
    return asking.needs.looked_up(table) | in_vain


def _last_bodies(asking: Asking, table: Table) -> list[Any]:
    key = last_pull(asking.storage, table, asking.listener, asking.now)
    return [answer.body() for answer in read_pull(asking.storage, key)] if key else []


_FEATURES_PER_RUN = 500  # five calls
_TRACKS_PER_RUN = 100  # plays of exports name tracks only, which in turn name the rest
_ARTISTS_PER_RUN = 50
_ALBUMS_PER_RUN = 50

POLL = Source(RECENTLY_PLAYED, _ask_all(SpotifyClient.recently_played), is_poll=True)
DAILY = (
    Source(PROFILE, _ask_all(SpotifyClient.profile)),
    Source(PLAYLISTS, _ask_all(SpotifyClient.playlists)),
    Source(TOP_TRACKS, _ask_all(SpotifyClient.top_tracks)),
    Source(TOP_ARTISTS, _ask_all(SpotifyClient.top_artists)),
    Source(FOLLOWED_ARTISTS, _ask_all(SpotifyClient.followed_artists)),
    Source(SAVED_TRACKS, _saved_tracks),
    Source(PLAYLIST_ITEMS, _playlist_items),
    Source(AUDIO_FEATURES, _audio_features, is_denied_for_long=True),
    Source(TRACKS, _look_up(TRACKS, lambda needs: needs.tracks, SpotifyClient.track, _TRACKS_PER_RUN)),
    Source(ARTISTS, _look_up(ARTISTS, lambda needs: needs.artists, SpotifyClient.artist, _ARTISTS_PER_RUN)),
    Source(ALBUMS, _look_up(ALBUMS, lambda needs: needs.albums, SpotifyClient.album, _ALBUMS_PER_RUN)),
)
"""What changes slowly, cheapest first: what a day's budget does not reach, the next day's does."""
