"""A catalogue's tracks, albums, artists and episodes as the Web API writes them, in both of its dialects.

What a listener did with them is in `polls.py` and `library.py`; who serves them, in `spotify/`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal
from zlib import crc32

import numpy as np
import pandas as pd

from spotifriend_dagster.demo.catalogue import GENRES, Catalogue

Dialect = Literal["development", "extended"]
"""What an app in development mode is answered, and what one with extended quota is."""

API_URL = "https://api.spotify.com/v1/"
MARKETS = ("AT", "BR", "DE", "IN", "JP", "US")
_WITH_GENRES: dict[Dialect, float] = {"development": 0.15, "extended": 0.5}
_REFERENCE = ("external_urls", "href", "id", "type", "uri")


class _Rows:
    """A frame whose rows are read one by one, ten times faster than pandas does."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._columns = {str(name): column.tolist() for name, column in frame.items()}

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: column[row] for name, column in self._columns.items()}


class Objects:
    """The objects of one catalogue in one dialect, addressed to one host, by their rows in the catalogue.

    A track is one object however often it is asked for: not to be changed.
    """

    def __init__(self, catalogue: Catalogue, dialect: Dialect = "development", api_url: str = API_URL) -> None:
        self.catalogue = catalogue
        self.dialect = dialect
        self.api_url = api_url
        self._artists, self._albums = _Rows(catalogue.artists), _Rows(catalogue.albums)
        self._recordings, self._releases = _Rows(catalogue.recordings), _Rows(catalogue.releases)
        self._tracks: dict[int, dict[str, Any]] = {}

    @property
    def is_extended(self) -> bool:
        """Whether the fields are there that development mode no longer has."""
        return self.dialect == "extended"

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of every artist, album, release and spoken part, by its URI."""
        frames = (self.catalogue.artists, self.catalogue.albums, self.catalogue.releases, self.catalogue.spoken)
        return {uri: row for frame in frames for row, uri in enumerate(frame["uri"].tolist())}

    def track(self, release: int) -> dict[str, Any]:
        """A whole track, by the row of its release."""
        if release not in self._tracks:
            said = self._releases[release]
            track = {
                "album": self.simplified_album(said["album"]),
                **self.simplified_track(release),
                "external_ids": {"isrc": said["isrc"]} if isinstance(said["isrc"], str) else {},
            }
            self._tracks[release] = track | ({"popularity": _share(said["uri"], 90)} if self.is_extended else {})
        return self._tracks[release]

    def simplified_track(self, release: int) -> dict[str, Any]:
        """A track as its album lists it."""
        said = self._releases[release]
        recording = self._recordings[said["recording"]]
        featured = [recording["featured"]] if recording["featured"] >= 0 else []
        track = {
            "artists": [self.simplified_artist(artist) for artist in (recording["artist"], *featured)],
            "disc_number": 1,
            "duration_ms": said["duration_ms"],
            "explicit": False,
            "is_local": False,
            "is_playable": True,
            "name": recording["title"],
            "track_number": said["track_number"],
            **self.reference(said["uri"]),
        }
        return track | ({"available_markets": list(MARKETS), "preview_url": None} if self.is_extended else {})

    def album(self, row: int) -> dict[str, Any]:
        """A whole album, but for its `tracks`: a page is the server's to make, of the rows that `tracks_of` gives."""
        said = self._albums[row]
        label = f"{self._artists[said['artist']]['name']} Recordings"
        album = {
            **self.simplified_album(row),
            "copyrights": [{"text": f"{said['release_date'][:4]} {label}", "type": "C"}],
            "external_ids": {"upc": f"{crc32(said['uri'].encode()):013d}"},
        }
        removed = {"genres": [], "label": label, "popularity": _share(said["uri"], 90)}
        return album | (removed if self.is_extended else {})

    def tracks_of(self, album: int) -> list[int]:
        """The releases on an album, in its order."""
        releases = self.catalogue.releases
        return releases.loc[releases["album"] == album].sort_values("track_number").index.tolist()

    def simplified_album(self, row: int) -> dict[str, Any]:
        """An album as a track names it."""
        said = self._albums[row]
        album = {
            "album_type": said["album_type"],
            "total_tracks": said["total_tracks"],
            "artists": [self.simplified_artist(said["artist"])],
            "images": [],
            "name": said["title"],
            "release_date": said["release_date"],
            "release_date_precision": "day",
            **self.reference(said["uri"]),
        }
        return album | ({"available_markets": list(MARKETS)} if self.is_extended else {})

    def artist(self, row: int) -> dict[str, Any]:
        """A whole artist. Most have no genres, in development mode nearly none."""
        said = self._artists[row]
        artist = {**self.simplified_artist(row), "genres": self.genres(row), "images": []}
        removed = {"followers": {"href": None, "total": _share(said["uri"], 3_000_000)}, "popularity": 40}
        return artist | (removed if self.is_extended else {})

    def genres(self, artist: int) -> list[str]:
        """The genres that Spotify says an artist has: those of the catalogue, or none."""
        said = self._artists[artist]
        return list(said["genres"]) if _share(said["uri"], 1000) < 1000 * _WITH_GENRES[self.dialect] else []

    def simplified_artist(self, row: int) -> dict[str, Any]:
        """An artist as a track or an album names them."""
        said = self._artists[row]
        return {"name": said["name"], **self.reference(said["uri"])}

    def episode(self, row: int) -> dict[str, Any]:
        """An episode of a podcast, by its row among the spoken."""
        said = self.catalogue.spoken.iloc[row]
        show = {
            "copyrights": [],
            "description": "",
            "explicit": False,
            "html_description": "",
            "images": [],
            "is_externally_hosted": False,
            "languages": ["en"],
            "media_type": "mixed" if said["media"] == "video" else "audio",
            "name": said["collection"],
            "total_episodes": int((self.catalogue.spoken["collection_uri"] == said["collection_uri"]).sum()),
            **self.reference(said["collection_uri"]),
        }
        removed = {"available_markets": list(MARKETS), "publisher": said["collection"]}
        return {
            "audio_preview_url": None,
            "description": "",
            "duration_ms": int(said["duration_ms"]),
            "explicit": False,
            "html_description": "",
            "images": [],
            "is_externally_hosted": False,
            "is_playable": True,
            "languages": ["en"],
            "name": said["title"],
            "release_date": "2020-01-01",
            "release_date_precision": "day",
            "show": show | (removed if self.is_extended else {}),
            **self.reference(said["uri"]),
        }

    def audio_features(self, release: int) -> dict[str, Any]:
        """What a recording sounds like: the same on all its releases, and alike within a genre."""
        said = self._releases[release]
        recording = self._recordings[said["recording"]]
        of_genre = np.random.default_rng(self._artists[recording["artist"]]["genre"])
        own = np.random.default_rng([len(GENRES), said["recording"]])
        usual = of_genre.uniform(0.1, 0.9, 7)
        parts = [round(float(part), 3) for part in np.clip(usual + own.normal(0, 0.08, 7), 0, 1)]
        names = ("acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "valence")
        uri, id_ = said["uri"], said["uri"].rpartition(":")[2]
        return {
            **dict(zip(names, parts, strict=True)),
            "key": int(own.integers(12)),
            "loudness": round(-30 + 26 * parts[2], 3),
            "mode": int(own.integers(2)),
            "tempo": round(70 + 90 * parts[2] + float(own.uniform(0, 10)), 3),
            "time_signature": 4,
            "duration_ms": said["duration_ms"],
            "id": id_,
            "uri": uri,
            "track_href": f"{self.api_url}tracks/{id_}",
            "analysis_url": f"{self.api_url}audio-analysis/{id_}",
            "type": "audio_features",
        }

    def reference(self, uri: str, *fields: str) -> dict[str, Any]:
        """How an object is named: its id, URI, type and addresses, or those `fields` of them."""
        _, kind, id_ = uri.split(":")
        named = {
            "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{id_}"},
            "href": f"{self.api_url}{kind}s/{id_}",
            "id": id_,
            "type": kind,
            "uri": uri,
        }
        return {field: named[field] for field in fields or _REFERENCE}


def _share(uri: str, of: int) -> int:
    """A number from 0 to below `of` that belongs to a URI."""
    return crc32(uri.encode()) * of >> 32
