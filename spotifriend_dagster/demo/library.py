"""What a simulated listener keeps with Spotify over the years, playlists to followed artists, and what they play most.

How the Web API writes it is in `spotify/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.random import Generator

from spotifriend_dagster.demo.diary import PLAYLISTS
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.names import spotify_ids
from spotifriend_dagster.demo.polls import LEAST_MS

OWN = "self"
"""The listener, where an owner or who added something is named."""
FRIENDS = ("marguerite.k", "31ozcvxlvxtj4pndw4xq")
TimeRange = Literal["short_term", "medium_term", "long_term"]
WINDOWS: dict[str, timedelta] = {
    "short_term": timedelta(weeks=4),
    "medium_term": timedelta(days=183),
    "long_term": timedelta(days=365),
}
"""What the time ranges of /me/top look back on."""

_DAY = pd.Timedelta("1D")
_EDIT_DAYS = 12.0
_FORGOTTEN = 90 * _DAY
_OLD_YEARS = 3


@dataclass(frozen=True)
class Library:
    """What is kept and for how long: `removed_at` is missing for what still is. Instants are UTC in milliseconds.

    Attributes:
        playlists: uri, name, owner (`OWN` or a user id), is_collaborative, is_public, added_at and removed_at (when the
            listener has it in the library). One row each, in Spotify's order.
        playlist_entries: playlist (URI), kind (`track`, `episode`, `local`, or `gone` for what has become unavailable),
            release and spoken (rows of the catalogue, -1 where there is none), added_at, removed_at, added_by (`OWN` or
            a user id), is_dated (whether Spotify still knows when and by whom). In the playlist's order.
        saved: release, added_at, removed_at; oldest first.
        followed: artist, added_at, removed_at; oldest first.
    """

    playlists: pd.DataFrame
    playlist_entries: pd.DataFrame
    saved: pd.DataFrame
    followed: pd.DataFrame

    @cached_property
    def _entries(self) -> dict[str, pd.DataFrame]:
        return {str(uri): entries for uri, entries in self.playlist_entries.groupby("playlist")}

    @cached_property
    def _changed_at(self) -> dict[str, pd.Series]:
        spans = self._entries.items()
        return {uri: pd.concat([span["added_at"], span["removed_at"]]).drop_duplicates() for uri, span in spans}

    def entries(self, playlist: str, now: datetime) -> pd.DataFrame:
        """What is in a playlist (URI) at `now` (UTC-aware), in its order."""
        return kept(self._entries.get(playlist, self.playlist_entries.head(0)), now)

    def changes(self, playlist: str, now: datetime) -> int:
        """How often a playlist's content (URI) had changed until `now` (UTC-aware)."""
        return int((self._changed_at[playlist] <= now).sum()) if playlist in self._changed_at else 0


def kept(frame: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The rows of a frame of `Library` that are there at `now` (UTC-aware)."""
    return frame[(frame["added_at"] <= now) & ~(frame["removed_at"] <= now)]


def favourites(
    truth: Truth, plays: pd.DataFrame, kind: Literal["artists", "tracks"], time_range: str, now: datetime
) -> list[int]:
    """The rows of the catalogue (`artists`, or `releases`) that were played most in a time range before `now`.

    Counted are the `plays` that the Web API knows of, as `polled_plays` gives them; of equals, the one that was heard
    longer comes first. A recording is one track, named by the release that was played most.
    """
    plays = plays[(plays["known_at"] <= now) & (plays["played_at"] > now - WINDOWS[time_range])]
    said = truth.events.loc[plays["event"], ["artist", "recording", "ms_played"]].reset_index(drop=True)
    said["release"] = plays["shown"].to_numpy()
    key = "artist" if kind == "artists" else "recording"
    ranked = said.groupby(key).agg(plays=(key, "size"), heard=("ms_played", "sum")).reset_index()
    best = ranked.sort_values(["plays", "heard", key], ascending=[False, False, True])[key]
    if kind == "artists":
        return best.tolist()
    releases = said.groupby(["recording", "release"]).size().reset_index(name="plays")
    releases = releases.sort_values(["plays", "release"], ascending=[False, True]).drop_duplicates("recording")
    return best.map(releases.set_index("recording")["release"]).tolist()


def collect_library(truth: Truth) -> Library:
    """What the listener of a truth keeps; the same truth gives the same library."""
    for_playlists, for_saved, for_followed = np.random.default_rng([truth.seed, 6]).spawn(3)
    music = truth.events[(truth.events["media"] == "track") & (truth.events["ms_played"] >= LEAST_MS)]
    return Library(
        *_playlists(for_playlists, truth, music),
        _saved(for_saved, truth, music),
        _followed(for_followed, truth, music),
    )


def _playlists(rng: Generator, truth: Truth, music: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    start, end = music["started_at"].min(), truth.end
    of_friends = [f"spotify:playlist:{id_}" for id_ in spotify_ids(rng, 4)]
    later, earlier = start + 0.5 * (end - start), start + 0.7 * (end - start)
    old = _before(start)
    rows = [
        (truth.playlists[name], name, OWN, False, number % 3 > 0, old, None) for number, name in enumerate(PLAYLISTS)
    ]
    rows += [
        (of_friends[0], "Found Later", OWN, False, False, later, None),
        (of_friends[1], "Shared Table", FRIENDS[0], True, False, old, None),
        (of_friends[2], "Marguerite Recommends", FRIENDS[0], False, True, old, earlier),
        (of_friends[3], "Rainy Sunday Jazz", FRIENDS[1], False, True, later, None),
    ]
    columns = ["uri", "name", "owner", "is_collaborative", "is_public", "added_at", "removed_at"]
    playlists = _spans(pd.DataFrame(rows, columns=columns))

    heard = dict(iter(music.groupby("context_uri")))
    listened = [
        _listened(rng, truth.playlists[name], heard.get(truth.playlists[name]), start, end) for name in PLAYLISTS
    ]
    filled = [
        _filled(rng, truth, of_friends[0], (OWN,), since=later),
        _filled(rng, truth, of_friends[1], (OWN, FRIENDS[0]), since=start),
        _filled(rng, truth, of_friends[2], (FRIENDS[0],), since=start),
        _filled(rng, truth, of_friends[3], (FRIENDS[1],), since=start),
    ]
    odd = _odd_entries(truth, start)
    entries = _spans(pd.concat([odd, *listened, *filled], ignore_index=True))
    entries["spoken"] = entries["spoken"].fillna(-1).astype("int64")
    entries = entries.sort_values(["added_at"], kind="stable", ignore_index=True)
    return playlists, entries[
        ["playlist", "kind", "release", "spoken", "added_at", "removed_at", "added_by", "is_dated"]
    ]


def _listened(
    rng: Generator, playlist: str, heard: pd.DataFrame | None, start: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    """A playlist that is listened to: what is heard most gets in, what was not heard for long gets out."""
    entries: list[dict[str, object]] = []
    if heard is None:
        return _entries(playlist, entries)
    usual = heard["release"].value_counts().index[:25].tolist()
    begun = _before(start)
    for number, release in enumerate(usual):
        entries.append({"release": release, "added_at": begun + (number // 5) * 30 * _DAY})
    inside = dict(zip(usual, entries, strict=True))
    last_heard = dict.fromkeys(usual, start)
    instant = start
    while instant < end:
        span = max(1.0, rng.exponential(_EDIT_DAYS)) * _DAY
        of_span = heard[heard["started_at"].between(instant, instant + span)]["release"]
        forgotten = [release for release in inside if last_heard[release] < instant - _FORGOTTEN]
        for release in forgotten[: int(rng.poisson(2.0))]:
            inside.pop(release)["removed_at"] = instant
        fresh = [release for release in of_span.value_counts().index if release not in inside]
        for release in fresh[: 1 + int(rng.poisson(2.5))]:
            inside[release] = {"release": release, "added_at": instant}
            entries.append(inside[release])
        last_heard |= dict.fromkeys(of_span, instant + span)
        last_heard |= {release: last_heard.get(release, instant) for release in inside}
        instant += span
    return _entries(playlist, entries)


def _filled(
    rng: Generator, truth: Truth, playlist: str, people: tuple[str, ...], *, since: pd.Timestamp
) -> pd.DataFrame:
    """A playlist that people fill by turns, a few tracks at a time."""
    releases = len(truth.catalogue.recordings)
    chosen = rng.choice(releases, min(releases, 8 + int((truth.end - since) / (6 * _DAY))), replace=False).tolist()
    entries: list[dict[str, object]] = []
    for number, release in enumerate(chosen):
        added_at = since - _DAY if number < 8 else since + (number - 7) // 2 * 12 * _DAY
        entries.append({"release": release, "added_at": added_at, "added_by": people[number % len(people)]})
    return _entries(playlist, entries)


def _odd_entries(truth: Truth, start: pd.Timestamp) -> pd.DataFrame:
    """What is not a plain track: in the oldest playlist, and an episode in the next."""
    first, second = (truth.playlists[name] for name in PLAYLISTS[:2])
    old = _before(start) - 200 * _DAY
    odd: list[dict[str, object]] = [{"release": release, "added_at": old, "is_dated": False} for release in range(3)]
    odd += [{"kind": "gone", "release": -1, "added_at": old}, {"kind": "local", "release": -1, "added_at": old}]
    episode: dict[str, object] = {"kind": "episode", "release": -1, "spoken": 0, "added_at": old}
    return pd.concat([_entries(first, odd), _entries(second, [episode])], ignore_index=True)


def _entries(playlist: str, entries: list[dict[str, object]]) -> pd.DataFrame:
    usual = {"kind": "track", "spoken": -1, "added_by": OWN, "is_dated": True, "removed_at": None}
    columns = ["playlist", "release", "added_at", *usual]
    return pd.DataFrame([usual | entry | {"playlist": playlist} for entry in entries], columns=columns)


def _saved(rng: Generator, truth: Truth, music: pd.DataFrame) -> pd.DataFrame:
    """Tracks that were played often are more likely saved, soon after they were found; some come from before."""
    start = music["started_at"].min()
    old = rng.choice(len(truth.catalogue.recordings), min(40, len(truth.catalogue.recordings)), replace=False)
    earlier = pd.DataFrame(
        {"release": old, "added_at": _before(start) + rng.uniform(0, _OLD_YEARS * 365, 40)[: len(old)] * _DAY}
    )
    number = music.groupby("recording").cumcount() + 1
    plays = music.groupby("recording")["release"].transform("size")
    at_play = 1 + rng.integers(0, 3, len(truth.catalogue.recordings))[music["recording"]]
    chance = rng.random(len(truth.catalogue.recordings))[music["recording"]]
    is_saved = (number == np.minimum(at_play, plays)) & (chance < 1 - np.exp(-plays / 25))
    found = music.loc[is_saved, ["release", "stopped_at"]].rename(columns={"stopped_at": "added_at"})
    found = found[~found["release"].isin(old)]
    return _with_removals(rng, pd.concat([earlier, found]), 0.06, 120.0)


def _followed(rng: Generator, truth: Truth, music: pd.DataFrame) -> pd.DataFrame:
    """Some of the artists that were played eight times are followed from then on; some are from before."""
    start = music["started_at"].min()
    old = rng.choice(len(truth.catalogue.artists), min(10, len(truth.catalogue.artists)), replace=False)
    earlier = pd.DataFrame({"artist": old, "added_at": _before(start) + rng.uniform(0, 900, len(old)) * _DAY})
    is_followed = (rng.random(len(truth.catalogue.artists)) < 0.35)[music["artist"]]
    is_eighth = music.groupby("artist").cumcount() == 7
    found = music.loc[is_eighth & is_followed, ["artist", "stopped_at"]].rename(columns={"stopped_at": "added_at"})
    found = found[~found["artist"].isin(old)]
    return _with_removals(rng, pd.concat([earlier, found]), 0.08, 200.0)


def _with_removals(rng: Generator, frame: pd.DataFrame, share: float, days: float) -> pd.DataFrame:
    is_removed = rng.random(len(frame)) < share
    frame["removed_at"] = (frame["added_at"] + (3 + rng.exponential(days, len(frame))) * _DAY).where(is_removed)
    return _spans(frame).sort_values("added_at", kind="stable", ignore_index=True)


def _before(start: pd.Timestamp) -> pd.Timestamp:
    """An instant some years before there was listening."""
    return start.floor("D") - _OLD_YEARS * 365 * _DAY


def _spans(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its instants in full seconds, as Spotify has them."""
    instants = {name: pd.to_datetime(frame[name], utc=True).dt.floor("s") for name in ("added_at", "removed_at")}
    return frame.assign(**{name: instant.dt.as_unit("ms") for name, instant in instants.items()})
