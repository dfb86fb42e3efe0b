"""An invented catalogue of music and spoken word: who made what, on which releases.

Names are made in `names.py`; who listens to it is in `listener.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.random import Generator

from spotifriend_dagster.demo import names

MINUTE_MS = 60_000

GENRES = pd.DataFrame(
    # Each genre's pull in the four parts of a day, on a weekend against a workday, and its usual length.
    [
        ("indie folk", 0.5, 1.9, 0.9, 1.0, 1.0, 225),
        ("ambient", 2.4, 1.3, 0.9, 0.5, 0.7, 310),
        ("deep house", 2.4, 0.4, 0.9, 1.4, 1.7, 330),
        ("techno", 3.2, 0.3, 0.7, 1.1, 2.0, 350),
        ("synth-pop", 1.0, 1.0, 1.1, 1.2, 1.0, 215),
        ("jazz", 0.9, 0.7, 0.6, 2.1, 1.3, 290),
        ("neo soul", 1.2, 0.8, 0.9, 1.6, 1.2, 230),
        ("hip hop", 1.1, 0.9, 1.4, 1.0, 1.0, 195),
        ("post-rock", 1.0, 0.6, 1.5, 0.8, 0.6, 340),
        ("shoegaze", 1.4, 0.6, 1.0, 1.2, 0.9, 255),
        ("metal", 0.5, 1.4, 1.4, 0.6, 0.6, 265),
        ("modern classical", 0.9, 1.6, 1.3, 0.6, 0.5, 240),
        ("bossa nova", 0.5, 1.7, 0.8, 1.2, 1.8, 175),
        ("afrobeat", 0.9, 0.8, 1.2, 1.3, 1.6, 285),
        ("chamber pop", 0.7, 1.2, 1.0, 1.1, 1.1, 220),
    ],
    columns=["genre", "night", "morning", "afternoon", "evening", "weekend", "seconds"],
)
"""The genres that artists have. `night` to `weekend` are multipliers of the listener's interest, around 1."""

_ROMAN = ("", " II", " III", " IV", " V", " VI", " VII", " VIII", " IX", " X")


@dataclass(frozen=True)
class Catalogue:
    """Frames that name each other by position (every index counts from 0).

    Attributes:
        artists: name, uri, genres (a tuple, empty for a few), genre (row of GENRES that it sounds like).
        albums: title, uri, artist, album_type, release_date, total_tracks. Those of the first recordings come first.
        recordings: title, artist, featured (an artist, or -1), duration_ms, album, track_number: as first released,
            sorted by artist and album.
        releases: recording, album, uri, isrc (missing for a few), duration_ms, track_number. Release n is the first of
            recording n; those after the last recording are the same recordings on further albums.
        spoken: media (`episode`, `video` or `audiobook`), title, uri, collection (show or book), collection_uri,
            duration_ms.
    """

    artists: pd.DataFrame
    albums: pd.DataFrame
    recordings: pd.DataFrame
    releases: pd.DataFrame
    spoken: pd.DataFrame

    @cached_property
    def further_releases(self) -> tuple[np.ndarray, np.ndarray]:
        """By recording: the row of its first further release (they are sorted), and how many it has."""
        recordings = len(self.recordings)
        further = self.releases["recording"].to_numpy()[recordings:]
        count = np.bincount(further, minlength=recordings)
        return recordings + np.searchsorted(further, np.arange(recordings)), count


def make_catalogue(seed: int, artists: int, before: date) -> Catalogue:
    """A catalogue, the same for the same arguments.

    Args:
        seed: of all that is drawn.
        artists: how many; each has about 20 recordings.
        before: every release date is earlier.
    """
    rng = np.random.default_rng([seed, 1])
    people = _artists(rng, artists)
    albums, recordings = _first_releases(rng, people, before.year)
    further_albums, further = _further_releases(rng, albums, recordings)
    first = pd.DataFrame(
        {
            "recording": np.arange(len(recordings)),
            "album": recordings["album"],
            "isrc": _isrcs(rng, recordings, albums),
            "duration_ms": recordings["duration_ms"],
            "track_number": recordings["track_number"],
        }
    )
    if len(further):
        taken_over = further["recording"].to_numpy()
        further["isrc"] = first["isrc"].take(taken_over).where(rng.random(len(further)) < 0.8).to_numpy()
        shift = np.where(rng.random(len(further)) < 0.5, 0, rng.integers(-1400, 1400, len(further)))
        further["duration_ms"] = first["duration_ms"].to_numpy()[taken_over] + shift
    releases = pd.concat([first, further], ignore_index=True).astype({"isrc": "str"})
    releases["uri"] = _uris("track", rng, len(releases))
    all_albums = pd.concat([albums, further_albums], ignore_index=True)
    all_albums["uri"] = _uris("album", rng, len(all_albums))
    return Catalogue(people, all_albums, recordings, releases, _spoken(rng))


def _uris(kind: str, rng: Generator, count: int) -> pd.Series:
    return f"spotify:{kind}:" + pd.Series(names.spotify_ids(rng, count), dtype="str")


def _artists(rng: Generator, count: int) -> pd.DataFrame:
    genre = rng.integers(0, len(GENRES), count)
    second = rng.integers(0, len(GENRES), count)
    known = GENRES["genre"].tolist()
    how_many = rng.choice(3, count, p=(0.08, 0.5, 0.42)).tolist()
    genres = [
        tuple(dict.fromkeys((known[one], known[two])))[:number]
        for one, two, number in zip(genre, second, how_many, strict=True)
    ]
    return pd.DataFrame(
        {
            "name": pd.Series(names.artist_names(rng, count), dtype="str"),
            "uri": _uris("artist", rng, count),
            "genres": genres,
            "genre": genre,
        }
    )


def _first_releases(rng: Generator, artists: pd.DataFrame, before_year: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    albums_of = 1 + np.minimum(rng.poisson(1.6, len(artists)), 5)
    artist = np.repeat(np.arange(len(artists)), albums_of)
    is_first = np.r_[True, artist[1:] != artist[:-1]]
    is_single = ~is_first & (rng.random(len(artist)) < 0.35)
    tracks = np.where(is_single, rng.integers(1, 3, len(artist)), rng.integers(7, 14, len(artist)))
    album = np.repeat(np.arange(len(artist)), tracks)
    track_number = np.arange(len(album)) - np.repeat(np.cumsum(tracks) - tracks, tracks) + 1

    title = pd.Series(names.titles(rng, len(album)), dtype="object")
    is_live = rng.random(len(album)) < 0.02
    is_featuring = ~is_live & (rng.random(len(album)) < 0.04)
    featured = np.where(is_featuring, rng.integers(0, len(artists), len(album)), -1)
    featured[featured == artist[album]] = -1
    # An artist's titles are told apart before anything is added to them, or a reader that takes additions off
    # would rightly unite two recordings.
    again = title.groupby([artist[album], title]).cumcount().clip(upper=len(_ROMAN) - 1)
    title = title + again.map(dict(enumerate(_ROMAN)))
    title = title.where(~is_live, title + " - Live at the Old Observatory")
    guest = np.append(artists["name"].to_numpy(dtype="object"), "")[featured]
    title = title.where(featured < 0, title + " (feat. " + guest + ")")

    usual = GENRES["seconds"].to_numpy()[artists["genre"].to_numpy()[artist[album]]]
    seconds = np.clip(usual * rng.lognormal(0, 0.24, len(album)), 75, 900)
    is_interlude = rng.random(len(album)) < 0.015
    duration_ms = np.where(is_interlude, rng.uniform(31, 58, len(album)), seconds) * 1000
    albums = pd.DataFrame(
        {
            "title": pd.Series(names.titles(rng, len(artist)), dtype="str"),
            "artist": artist,
            "album_type": np.where(is_single, "single", "album"),
            "release_date": _dates(rng, len(artist), before_year),
            "total_tracks": tracks,
        }
    )
    recordings = pd.DataFrame(
        {
            "title": title.astype("str"),
            "artist": artist[album],
            "featured": featured,
            "duration_ms": duration_ms.astype("int64"),
            "album": album,
            "track_number": track_number,
        }
    )
    return albums, recordings


def _further_releases(
    rng: Generator, albums: pd.DataFrame, recordings: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Singles, deluxe editions and anthologies of recordings that are out already."""
    first = np.searchsorted(recordings["album"], np.arange(len(albums))).tolist()
    tracks = albums["total_tracks"].tolist()
    title = albums["title"].tolist()
    song = recordings["title"].tolist()
    made: list[tuple[int, str, str, list[int]]] = []
    for album, chance in enumerate(rng.random(len(albums)).tolist()):
        if tracks[album] < 3:
            continue
        whole = list(range(first[album], first[album] + tracks[album]))
        if chance < 0.3:
            single = whole[tracks[album] // 3]
            made.append((album, song[single], "single", [single]))
        if chance < 0.08:
            made.append((album, f"{title[album]} (Deluxe Edition)", "album", whole))
        elif chance > 0.95:
            made.append((album, f"{title[album]}: An Anthology", "compilation", whole[::2]))
    source = albums.take([album for album, *_ in made])
    further_albums = pd.DataFrame(
        {
            "title": pd.Series([title for _, title, _, _ in made], dtype="str"),
            "artist": source["artist"].to_numpy(),
            "album_type": [kind for _, _, kind, _ in made],
            "release_date": source["release_date"].to_numpy(),
            "total_tracks": [len(of) for *_, of in made],
        }
    )
    rows = [
        (recording, len(albums) + album, number)
        for album, (*_, of) in enumerate(made)
        for number, recording in enumerate(of, start=1)
    ]
    further = pd.DataFrame(rows, columns=["recording", "album", "track_number"])
    return further_albums, further.sort_values(["recording", "album"], ignore_index=True)


def _dates(rng: Generator, count: int, before_year: int) -> list[str]:
    age = np.minimum(1 + rng.exponential(9, count).astype("int64"), 50)
    month, day = rng.integers(1, 13, count).tolist(), rng.integers(1, 29, count).tolist()
    return [f"{before_year - back}-{month[at]:02d}-{day[at]:02d}" for at, back in enumerate(age.tolist())]


def _isrcs(rng: Generator, recordings: pd.DataFrame, albums: pd.DataFrame) -> pd.Series:
    """Well-formed codes of a country that does not exist (XD)."""
    year = albums["release_date"].str[2:4].take(recordings["album"].to_numpy()).tolist()
    codes = [f"XDS{at // 100_000:02d}{year[at]}{at % 100_000:05d}" for at in range(len(recordings))]
    return pd.Series(codes, dtype="str").where(rng.random(len(codes)) > 0.01)


def _spoken(rng: Generator) -> pd.DataFrame:
    parts = []
    for number, show in enumerate(names.show_names()):
        minutes = float(rng.uniform(14, 70))
        media = "video" if number == 1 else "episode"
        parts.append((media, "show", "episode", show, [f"#{n} – {t}" for n, t in _numbered(rng, 60)], minutes))
    parts.extend(
        ("audiobook", "audiobook", "chapter", book, [f"Chapter {n}: {t}" for n, t in _numbered(rng, 24)], 24.0)
        for book in names.book_titles()
    )
    frames = []
    for media, whole, part, collection, title, minutes in parts:
        length = np.clip(minutes * rng.lognormal(0, 0.2, len(title)), 4, 180)
        frames.append(
            pd.DataFrame(
                {
                    "media": media,
                    "title": pd.Series(title, dtype="str"),
                    "uri": _uris(part, rng, len(title)),
                    "collection": collection,
                    "collection_uri": f"spotify:{whole}:{names.spotify_ids(rng, 1)[0]}",
                    "duration_ms": (length * MINUTE_MS).astype("int64"),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _numbered(rng: Generator, count: int) -> list[tuple[int, str]]:
    return list(enumerate(names.titles(rng, count), start=1))
