"""Genres of artists, from whoever says some, and of listens (docs/metrics.md, "Genres").

What MusicBrainz is asked and says is in `musicbrainz.py`; genre insights are SQL over what is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.musicbrainz import genres_of
from spotifriend_dagster.cleaning.recordings import normalised
from spotifriend_dagster.tables.frames import typed_frame
from spotifriend_dagster.tables.snapshots import ARTIST_GENRES, PLAY_GENRES

SOURCES = ("user", "spotify", "musicbrainz")
"""Who can say genres; of an artist, the first that says any is believed."""

_TRACK_URI = "spotify:track:"
_OF_PLAYS = ("play_number", "track_uri", "artist_name", "isrc", "started_at", "is_counted", "is_listen")
COLUMNS_OF_PLAYS = ("media", *_OF_PLAYS)
"""What genres need to know of a play."""


@dataclass(frozen=True)
class Genres:
    """One listener's genres: typed frames of `artist_genres` and `play_genres`."""

    artist_genres: pd.DataFrame
    play_genres: pd.DataFrame


@dataclass(frozen=True)
class Credits:
    """Who is credited for what a listener played.

    `plays` are the plays of tracks, each with its `kind`: those of one kind credit the same artists. `artists` has one
    row per kind and artist: kind, artist_name, artist_id, and `key`, the name as names are compared.
    """

    plays: pd.DataFrame
    artists: pd.DataFrame


def credits_of(plays: pd.DataFrame, recent: pd.DataFrame, tracks: pd.DataFrame) -> Credits:
    """The credited artists of each play of a track: as polls and look-ups name them, else the primary artist.

    Args:
        plays: one listener's `plays`, the columns `COLUMNS_OF_PLAYS`.
        recent: rows of `recent_plays` of all days.
        tracks: rows of `tracks` of all days.
    """
    of_tracks = plays.loc[plays["media"] == "track", list(_OF_PLAYS)]
    alike = of_tracks.groupby(["track_uri", "artist_name"], dropna=False, sort=False)
    of_tracks = of_tracks.assign(kind=alike.ngroup())
    kinds = of_tracks.drop_duplicates("kind")[["kind", "track_uri", "artist_name"]]

    credited = _credited(recent, tracks)
    by_credits = kinds[["kind", "track_uri"]].merge(credited, on="track_uri")
    primary = kinds.loc[~kinds["kind"].isin(by_credits["kind"]), ["kind", "artist_name"]].assign(artist_id=None)
    artists = pd.concat([by_credits[["kind", "artist_name", "artist_id"]], primary], ignore_index=True)
    artists = artists.astype({"artist_name": "str", "artist_id": "str"}).dropna(subset="artist_name")
    artists = artists.assign(key=normalised(artists["artist_name"])).drop_duplicates(["kind", "key"])
    return Credits(of_tracks, artists)


def find_genres(credits: Credits, artists: pd.DataFrame, user: pd.DataFrame, answers: Mapping[str, Any]) -> Genres:
    """The genres of artists and listens.

    An artist is a name. Of several artists of one name, the one whom the listener's plays credit most often counts
    whose genres Spotify says. A listen weighs 1, split equally over the different genres of its credited artists; where
    two of them have a genre from different sources, the source that comes first in `SOURCES` is named.

    Args:
        credits: who is credited for the listener's plays.
        artists: rows of `artists` of all days.
        user: what the user's file says: artist and genre.
        answers: MusicBrainz's answers, by question.
    """
    named, ids = _names(credits), _ids(credits, artists)
    said = pd.concat(
        [
            _by_user(user).assign(genre_source="user"),
            _by_spotify(ids, artists).assign(genre_source="spotify"),
            _by_musicbrainz(named, credits, answers).assign(genre_source="musicbrainz"),
        ],
        ignore_index=True,
    )
    said = said.assign(genre=_normalised_genres(said["genre"])).dropna(subset=["key", "genre"])
    said = said[said["genre_source"] == said.groupby("key")["genre_source"].transform("first")]
    said = said.drop_duplicates(["key", "genre"])

    favourite = ids.drop_duplicates("key").set_index("key")["artist_id"]
    artist_genres = named.merge(said, on="key")
    artist_genres = artist_genres.assign(artist_id=favourite.reindex(artist_genres["key"]).array)
    artist_genres = artist_genres.sort_values(["artist_name", "genre"])
    return Genres(
        artist_genres=typed_frame(artist_genres, ARTIST_GENRES),
        play_genres=typed_frame(_of_plays(credits, said), PLAY_GENRES),
    )


def unknown_artists(credits: Credits, artists: pd.DataFrame, user: pd.DataFrame) -> dict[str, list[str]]:
    """The artists of whom neither the user nor Spotify says a genre, the most listened to first, each with ISRCs.

    Only counted listens make an artist known to others: nobody is asked about private sessions.

    Args:
        credits: who is credited for the listener's plays.
        artists: rows of `artists` of all days.
        user: what the user's file says: artist and genre.
    """
    listens = _listens(credits)
    of_artists = credits.artists.merge(listens["kind"].value_counts().rename("listens"), on="kind")
    by_key = of_artists.groupby("key").agg(listens=("listens", "sum"), artist_name=("artist_name", "min"))
    named = by_key.reset_index()
    known = {*_by_user(user)["key"], *_by_spotify(_ids(credits, artists), artists)["key"]}
    wanted = named[~named["key"].isin(known)].sort_values(["listens", "key"], ascending=[False, True])
    isrcs = _isrcs(credits)
    return {name: isrcs.get(key, []) for name, key in zip(wanted["artist_name"], wanted["key"], strict=True)}


def _listens(credits: Credits) -> pd.DataFrame:
    return credits.plays[credits.plays["is_counted"] & credits.plays["is_listen"]]


def _credited(recent: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """By track URI the credited artists, one row each; a track that was replaced goes by both of its ids."""
    columns = ["track_uri", "artist_names", "artist_ids"]
    looked_up = tracks.sort_values("pulled_at")
    asked_for = looked_up.assign(track_uri=_TRACK_URI + looked_up["track_id"])
    told = [asked_for[columns], looked_up[columns], recent.sort_values("played_at")[columns]]
    credited = pd.concat(told, ignore_index=True)
    credited = credited[credited["artist_names"].str.len() > 0].drop_duplicates("track_uri", keep="last")
    credited = credited.explode(["artist_names", "artist_ids"])
    return credited.rename(columns={"artist_names": "artist_name", "artist_ids": "artist_id"})


def _names(credits: Credits) -> pd.DataFrame:
    """Every name that plays or their credits have: artist_name and key."""
    names = pd.concat([credits.artists["artist_name"], credits.plays["artist_name"]]).dropna().drop_duplicates()
    return pd.DataFrame({"artist_name": names, "key": normalised(names)}).reset_index(drop=True)


def _ids(credits: Credits, artists: pd.DataFrame) -> pd.DataFrame:
    """Spotify's ids by key: those of the credits, the most played first, then those of artists who were looked up."""
    played = credits.artists.merge(credits.plays["kind"].value_counts().rename("plays"), on="kind")
    looked_up = pd.DataFrame({"key": normalised(artists["artist_name"]), "artist_id": artists["artist_id"], "plays": 0})
    ids = pd.concat([played[["key", "artist_id", "plays"]], looked_up], ignore_index=True).dropna()
    ids = ids.groupby(["key", "artist_id"])["plays"].sum().reset_index()
    return ids.sort_values(["key", "plays", "artist_id"], ascending=[True, False, True], ignore_index=True)


def _isrcs(credits: Credits) -> dict[str, list[str]]:
    """By key the ISRCs of tracks that credit the artist, the most played first."""
    played = credits.plays.groupby(["kind", "isrc"]).size().rename("size").reset_index()
    of_artists = credits.artists[["kind", "key"]].merge(played, on="kind")
    totals = of_artists.groupby(["key", "isrc"])["size"].sum().reset_index()
    totals = totals.sort_values(["key", "size", "isrc"], ascending=[True, False, True])
    return {str(key): isrcs.tolist() for key, isrcs in totals.groupby("key")["isrc"]}


def _by_user(user: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"key": normalised(user["artist"]), "genre": user["genre"]})


def _by_spotify(ids: pd.DataFrame, artists: pd.DataFrame) -> pd.DataFrame:
    latest = artists.sort_values("pulled_at").drop_duplicates("artist_id", keep="last")
    with_genres = latest.loc[latest["genres"].str.len() > 0, ["artist_id", "genres"]]
    best = ids.merge(with_genres, on="artist_id").drop_duplicates("key")
    return best[["key", "genres"]].explode("genres").rename(columns={"genres": "genre"})


def _by_musicbrainz(named: pd.DataFrame, credits: Credits, answers: Mapping[str, Any]) -> pd.DataFrame:
    told: list[tuple[str, str]] = []
    if answers:
        isrcs = _isrcs(credits)
        for name, key in named.drop_duplicates("key").itertuples(index=False):
            told += [(key, genre) for genre in genres_of(name, isrcs.get(key, []), answers)]
    return pd.DataFrame(told, columns=["key", "genre"]).astype("str")


def _normalised_genres(genres: pd.Series) -> pd.Series:
    """Lower case, with single spaces; null where nothing is left."""
    written = genres.astype("str").str.lower().str.split().str.join(" ")
    return written.mask(written == "")


def _of_plays(credits: Credits, said: pd.DataFrame) -> pd.DataFrame:
    of_kinds = credits.artists[["kind", "key"]].merge(said, on="key")
    rank = of_kinds["genre_source"].map({source: number for number, source in enumerate(SOURCES)})
    of_kinds = of_kinds.iloc[np.argsort(rank.to_numpy(), kind="stable")].drop_duplicates(["kind", "genre"])
    of_kinds = of_kinds.assign(weight=1 / of_kinds.groupby("kind")["genre"].transform("size"))
    listens = _listens(credits)[["play_number", "kind", "started_at"]]
    return listens.merge(of_kinds, on="kind").sort_values(["play_number", "genre"])
