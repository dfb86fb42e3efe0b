"""What users say themselves, in files beside the lake: genres of artists, and audio features of tracks.

What is wrong with one is a sentence, never an error, and what is good in it counts. Its meaning belongs to `cleaning/`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

FEATURES = (
    *("danceability", "energy", "valence", "acousticness", "instrumentalness", "liveness", "speechiness"),
    *("loudness", "tempo"),
)
_SHARES = FEATURES[:7]
_KEYS = {"track_uri": "track_uri", "uri": "track_uri", "track_id": "track_id", "id": "track_id", "isrc": "isrc"}
_TRACK_URI = "spotify:track:"
_TOLD_PROBLEMS = 20


@dataclass(frozen=True)
class UserFile:
    """What a file says: its good rows, and a sentence for each thing that is wrong with it."""

    rows: pd.DataFrame
    problems: tuple[str, ...] = ()


class _Unusable(Exception):
    """Nothing of the file can be used; the text says why."""


def read_genres(path: Path) -> UserFile:
    """A CSV with the columns `artist` and `genre`, one genre a row; no file is no genres.

    Returns:
        Rows of artist and genre, as written.
    """
    rows: list[tuple[str, str]] = []
    problems: list[str] = []
    try:
        for where, row in _csv_rows(path, ("artist", "genre")):
            artist, genre = ((row.get(name) or "").strip() for name in ("artist", "genre"))
            if artist and genre:
                rows.append((artist, genre))
            elif artist or genre:
                missing = "genre" if artist else "artist"
                problems.append(f"{where}: {artist or genre!r} has no {missing}, so that the line is left out.")
    except FileNotFoundError:
        pass
    except _Unusable as error:
        problems.append(str(error))
    return UserFile(pd.DataFrame(rows, columns=["artist", "genre"]).astype("str"), _told(problems))


def read_audio_features(folder: Path) -> UserFile:
    """`audio_features.parquet` or `audio_features.csv` in a folder; no file is no features.

    Its tracks are named by a column `track_uri` (or `uri`), `track_id` (or `id`) or `isrc`; every other column of a
    feature's name is read, and may be empty.

    Returns:
        Rows of track_uri or isrc (the other is null), and the features; the first row about a track.
    """
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        for where, row in _rows_of_features(folder, problems):
            try:
                rows.append(_key(row) | {name: _feature(name, row.get(name)) for name in FEATURES})
            except ValueError as error:
                problems.append(f"{where}: {error}, so that the row is left out.")
    except _Unusable as error:
        problems.append(str(error))
    frame = pd.DataFrame(rows, columns=["track_uri", "isrc", *FEATURES])
    frame = frame.astype({"track_uri": "str", "isrc": "str"} | dict.fromkeys(FEATURES, "float64"))
    repeats = frame.duplicated(["track_uri", "isrc"])
    if repeats.any():
        problems.append(f"Some tracks have several rows, of which the first counts: {repeats.sum()} left out.")
    return UserFile(frame[~repeats].reset_index(drop=True), _told(problems))


def _rows_of_features(folder: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    paths = [path for name in ("parquet", "csv") if (path := folder / f"audio_features.{name}").exists()]
    if not paths:
        return
    if len(paths) > 1:
        problems.append(f"{folder} has an {paths[0].name} and an {paths[1].name}: the first is read, remove one.")
    yield from _csv_rows(paths[0], ()) if paths[0].suffix == ".csv" else _parquet_rows(paths[0])


def _csv_rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a CSV by column, in lower case; `needed` must be there. Blank lines are none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            header = [name.strip().lower() for name in next(reader, [])]
            _check_columns(path, header, needed)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield f"{path.name}, line {reader.line_num}", dict(zip(header, row, strict=False))
    except UnicodeDecodeError:
        raise _Unusable(f"{path.name} is no text in UTF-8: save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise _Unusable(
            f"{path.name}, line {reader.line_num}: it is no CSV ({error}), so that the rest is left out."
        ) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _Unusable(f"{path} cannot be read ({error.strerror}): make it readable, or remove it.") from None


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        said = str(error).partition("\n")[0]
        raise _Unusable(f"{path.name} cannot be read as Parquet ({said}): write it anew, or as CSV.") from None
    table = table.rename_columns([name.strip().lower() for name in table.column_names])
    _check_columns(path, table.column_names, ())
    known = [name for name in table.column_names if name in (*_KEYS, *FEATURES)]
    for number, row in enumerate(table.select(known).to_pylist(), start=1):
        yield f"{path.name}, row {number}", row


def _check_columns(path: Path, header: list[str], needed: tuple[str, ...]) -> None:
    if needed:
        if missing := [name for name in needed if name not in header]:
            raise _Unusable(
                f"{path.name}, line 1: there is no column {' and no column '.join(missing)}: the first line must be "
                f"{','.join(needed)}, with commas."
            )
        return
    if not set(header) & _KEYS.keys():
        raise _Unusable(f"{path.name} has no column that names a track: it needs track_uri, track_id or isrc.")
    if not set(header) & set(FEATURES):
        raise _Unusable(f"{path.name} has no column of a feature: it needs one of {', '.join(FEATURES)}.")


def _key(row: dict[str, Any]) -> dict[str, str | None]:
    said = {_KEYS[name]: str(value).strip() for name, value in row.items() if name in _KEYS and value}
    if uri := said.get("track_uri"):
        return {"track_uri": uri, "isrc": None}
    if id_ := said.get("track_id"):
        return {"track_uri": id_ if id_.startswith(_TRACK_URI) else _TRACK_URI + id_, "isrc": None}
    if isrc := said.get("isrc"):
        return {"track_uri": None, "isrc": isrc.upper().replace("-", "")}
    raise ValueError("it names no track")


def _feature(name: str, value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}, which is no number") from None
    if math.isnan(number):
        return None
    if math.isinf(number) or (name in _SHARES and not 0 <= number <= 1):
        raise ValueError(f"{name} is {value!r}, but it goes from 0 to 1" if name in _SHARES else f"{name} is {value!r}")
    return number


def _told(problems: list[str]) -> tuple[str, ...]:
    if len(problems) <= _TOLD_PROBLEMS:
        return tuple(problems)
    return (*problems[:_TOLD_PROBLEMS], f"So it goes on: there are {len(problems) - _TOLD_PROBLEMS} more of this kind.")
