"""What Spotify and others would say beside these plays: genres, features, tops, playlists, library; by listener alone.

It has what is awkward: artists without genres, releases that were never played, a playlist that was emptied, one that
left the library, one whose content is not known, a song that is saved no more, pulls that are days apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zlib import crc32

import pandas as pd

from spotifriend_dagster.tables.snapshots import (
    ARTIST_GENRES,
    PLAY_GENRES,
    PLAYLIST_TRACKS,
    PLAYLISTS,
    SAVED_TRACKS,
    TOP_ARTISTS,
    TOP_TRACKS,
    TRACK_FEATURES,
)
from spotifriend_dagster_tests.insights.made_plays import frame_of
from spotifriend_dagster_tests.insights.plain_rows import Row, rows_of

TIME_RANGES = ("short_term", "medium_term", "long_term")
FEATURES = tuple(column.name for column in TRACK_FEATURES.columns if column.type == "double")
_GENRES = ("ambient", "bebop", "chanson", "dub", "electro", "folk")
_SOURCES = ("user", "spotify", "musicbrainz")
_DAYS_BEFORE_LAST = (40, 9, 1)
_LISTED = 60


def genres_of(artist: str) -> tuple[str, ...]:
    """An artist's genres: none to three."""
    chance = crc32(artist.encode())
    return tuple(sorted({_GENRES[chance // 7**number % len(_GENRES)] for number in range(chance % 4)}))


def source_of(artist: str) -> str:
    """Who says them."""
    return _SOURCES[crc32(artist.encode()) % len(_SOURCES)]


def artist_genres_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `artist_genres`."""
    artists = sorted({(row["listener"], row["artist_name"]) for row in rows_of(plays) if row["artist_name"]})
    return frame_of(
        ARTIST_GENRES,
        [
            {"listener": listener, "artist_name": artist, "genre": genre, "genre_source": source_of(artist)}
            for listener, artist in artists
            for genre in genres_of(artist)
        ],
    )


def play_genres_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `play_genres`, each listen by its primary artist alone."""
    rows = []
    for row in rows_of(plays):
        if row["is_counted"] and row["is_listen"] and row["media"] == "track" and row["artist_name"]:
            genres = genres_of(row["artist_name"])
            rows += [
                {
                    **{name: row[name] for name in ("listener", "play_number", "started_at")},
                    "genre": genre,
                    "genre_source": source_of(row["artist_name"]),
                    "weight": 1 / len(genres),
                }
                for genre in genres
            ]
    return frame_of(PLAY_GENRES, rows)


def track_features_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `track_features`: two tracks of three have them, and some of these have no tempo."""
    rows = []
    for listener, track in sorted({(row["listener"], row["track_uri"]) for row in rows_of(plays) if row["track_uri"]}):
        chance = crc32(track.encode())
        if chance % 3:
            features: dict[str, float | None] = {
                name: chance % (number + 7) / 7 for number, name in enumerate(FEATURES)
            }
            features["tempo"] = None if chance % 5 == 0 else 60.0 + chance % 120
            source = "user" if chance % 2 else "spotify"
            rows.append({"listener": listener, "track_uri": track, "feature_source": source, **features})
    return frame_of(TRACK_FEATURES, rows)


def top_tracks_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `top_tracks`: of three days, in another order each time, with releases that were never played."""
    rows = []
    for day, own in _days(plays):
        songs = _by_listens(own, "track_uri")[:_LISTED]
        for number, time_range in enumerate(TIME_RANGES):
            ranked = sorted(songs, key=lambda song: songs.index(song) + _shaken(song, f"{day['collected_on']}{number}"))
            for rank, uri in enumerate(ranked[: 50 - 20 * number], start=1):
                facts = next(row for row in own if row["track_uri"] == uri)
                release = _another_release(facts) if rank % 10 == 3 else _facts(facts)
                rows.append({**day, "time_range": time_range, "rank": rank, **release})
    return frame_of(TOP_TRACKS, rows)


def top_artists_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `top_artists`: of three days, in another order each time."""
    rows = []
    for day, own in _days(plays):
        artists = _by_listens(own, "artist_name")
        for time_range in TIME_RANGES:
            ranked = sorted(
                artists,
                key=lambda artist: artists.index(artist) + _shaken(artist, f"{day['collected_on']}{time_range}"),
            )
            rows += [
                {**day, "time_range": time_range, "rank": rank, "artist_id": f"id of {artist}", "artist_name": artist}
                for rank, artist in enumerate(ranked[: len(ranked) - len(time_range) % 3], start=1)
            ]
    return frame_of(TOP_ARTISTS, rows)


def playlists_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `playlists`: `mix`, one that is emptied, one that leaves the library, one of another person's."""
    rows = []
    for number, (day, _) in enumerate(_days(plays)):
        totals = {"mix": 8, "emptied": 0 if number % 3 == 2 else 3, "left": 2, "theirs": None}
        rows += [
            {
                **day,
                "playlist_id": playlist,
                "playlist_uri": f"spotify:playlist:{playlist}",
                "playlist_name": f"My {playlist} {number % 3}",
                "is_own": playlist != "theirs",
                "snapshot_id": f"{playlist}{number}",
                "items_total": total,
            }
            for playlist, total in totals.items()
            if playlist != "left" or number % 3 < 2
        ]
    return frame_of(PLAYLISTS, rows)


def playlist_tracks_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `playlist_tracks`: `mix` changes each time, and holds a song twice, an episode, one never played."""
    rows = []
    for number, (day, own) in enumerate(_days(plays)):
        songs = _by_listens(own, "track_uri")
        contents = {"mix": [*songs[number % 3 : 5], *songs[7:9], *songs[7:8]]}
        if number % 3 == 0:
            contents |= {"emptied": songs[:3], "left": songs[1:3]}
        for playlist, uris in contents.items():
            items = [_facts(next(row for row in own if row["track_uri"] == uri)) for uri in uris]
            items[-1:-1] = [_another_release(dict.fromkeys(_facts({}), None) | {"track_uri": "spotify:track:nobody"})]
            media = ["track"] * len(items)
            if playlist == "mix" and number % 3:
                items.append({"track_uri": "spotify:episode:1", "track_name": "An episode"})
                media.append("episode")
            rows += [
                {
                    **day,
                    "playlist_id": playlist,
                    "snapshot_id": f"{playlist}{number}",
                    "position": position,
                    "media": kind,
                    "item_uri": item.pop("track_uri"),
                    **item,
                    "added_at": day["pulled_at"] - timedelta(days=position),
                }
                for position, (kind, item) in enumerate(zip(media, items, strict=True))
            ]
    return frame_of(PLAYLIST_TRACKS, rows)


def saved_tracks_frame(plays: pd.DataFrame) -> pd.DataFrame:
    """The table `saved_tracks`: the whole library, what was new, and the whole again, with one song less."""
    rows = []
    for number, (day, own) in enumerate(_days(plays)):
        songs = _by_listens(own, "track_uri")[:25]
        chosen = (songs[:20], songs[20:23], [*songs[:7], *songs[8:]])[number % 3]
        for place, uri in enumerate(chosen):
            facts = next(row for row in own if row["track_uri"] == uri)
            known = _another_release(facts) if place % 6 == 5 else _facts(facts)
            saved = {"added_at": own[0]["started_at"] + timedelta(days=11 * songs.index(uri)), **known}
            rows.append({**day, **saved, "library_total": 20 + number % 3, "is_whole_library": number % 3 != 1})
    return frame_of(SAVED_TRACKS, rows)


SNAPSHOTS = {
    "artist_genres": artist_genres_frame,
    "play_genres": play_genres_frame,
    "track_features": track_features_frame,
    "top_tracks": top_tracks_frame,
    "top_artists": top_artists_frame,
    "playlists": playlists_frame,
    "playlist_tracks": playlist_tracks_frame,
    "saved_tracks": saved_tracks_frame,
}
"""The tables that follow from plays, by name."""


def _days(plays: pd.DataFrame) -> Iterator[tuple[Row, list[Row]]]:
    """By listener three days before the last play: what a row of that day begins with, and all counted tracks."""
    for listener, own in plays.groupby("listener"):
        rows = [row for row in rows_of(own) if row["is_counted"] and row["media"] == "track"]
        for before in _DAYS_BEFORE_LAST if rows else ():
            pulled_at = own["started_at"].max().tz_convert(None).floor("D").to_pydatetime() - timedelta(days=before)
            collected_on = pulled_at.date()
            yield (
                {"listener": listener, "year": pulled_at.year, "collected_on": collected_on, "pulled_at": pulled_at},
                rows,
            )


def _by_listens(rows: list[Row], column: str) -> list[str]:
    counts = Counter(row[column] for row in rows if row["is_listen"] and row[column])
    return sorted(counts, key=lambda value: (-counts[value], value))


def _shaken(value: str, salt: str) -> int:
    """By how many places, up to nine, a ranking is out."""
    return crc32(f"{salt}{value}".encode()) % 10


def _facts(row: Row) -> dict[str, Any]:
    return {name: row.get(name) for name in ("track_uri", "track_name", "artist_name", "album_name")}


def _another_release(row: Row) -> dict[str, Any]:
    return _facts(row) | {"track_uri": f"{row['track_uri']}, on another album"}
