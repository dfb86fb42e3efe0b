"""Small exports made by hand, in the forms that Spotify has sent, and the ways to hand them over."""

import gzip
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spotifriend_dagster.sources.exports import Export

IP_ADDRESS = "203.0.113.77"
USER_NAME = "quiet_listener_42"
USER_AGENT = "Mozilla%2F5.0+%28unheard+of%29"
SECRETS = (IP_ADDRESS, USER_NAME, USER_AGENT)

FORMS = ("zip", "folder", "nested zip", "nested folder")


def extended_row(number: int = 0, era: str = "2023", **changes: Any) -> dict[str, Any]:
    """A row of an extended history, with the fields of its era and everything private that the era had."""
    row = {
        "ts": f"2022-03-{1 + number // 24 % 28:02d}T{number % 24:02d}:30:00Z",
        "username": USER_NAME,
        "platform": "Android OS 10 API 29 (Google, Pixel 3a)",
        "ms_played": 181_000 + number,
        "conn_country": "DE",
        "ip_addr_decrypted": IP_ADDRESS,
        "user_agent_decrypted": USER_AGENT,
        "master_metadata_track_name": f'Träumerei {number} \\ "encore" }},{{ [Live]',
        "master_metadata_album_artist_name": "Clara Wieck",
        "master_metadata_album_album_name": "夜想曲",
        "spotify_track_uri": f"spotify:track:{number:022d}"[:36],
        "episode_name": None,
        "episode_show_name": None,
        "spotify_episode_uri": None,
        "reason_start": "trackdone",
        "reason_end": "fwdbtn",
        "shuffle": False,
        "skipped": None,
        "offline": False,
        "offline_timestamp": 1_646_000_000_000 + number,
        "incognito_mode": False,
    }
    if era == "2025":
        for gone in ("username", "user_agent_decrypted", "ip_addr_decrypted"):
            del row[gone]
        row |= {"ip_addr": IP_ADDRESS, "audiobook_title": None, "audiobook_uri": None}
    return row | changes


def account_row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of account data."""
    return {
        "endTime": f"2024-01-01 {number // 60 % 24:02d}:{number % 60:02d}",
        "artistName": "Unknown Artist",
        "trackName": "Unknown Track",
        "msPlayed": number,
    } | changes


def as_json(rows: Any, *, pretty: bool = False) -> bytes:
    """The text as Spotify writes it: on one line, or since 2025 with spaces before colons."""
    separators = (",", " : ") if pretty else None
    return json.dumps(rows, ensure_ascii=False, indent=2 if pretty else None, separators=separators).encode()


def make(folder: Path, files: Mapping[str, bytes], form: str = "zip") -> Path:
    """Write the files as a zip or as a folder; nested, each in a folder of its own, in the other order."""
    if form.startswith("nested"):
        files = {f"my_spotify_data/part {i}/{name}": content for i, (name, content) in enumerate(files.items())}
        files = dict(reversed(files.items()))
    if form.endswith("zip"):
        return make_zip(folder / f"{form}.zip", files)
    for name, content in files.items():
        path = folder / form / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / form


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files as a zip, names as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def lines(export: Export) -> dict[str, list[dict[str, Any]]]:
    """What would be stored of an export: the lines of each file."""
    return {
        file.name: [json.loads(line) for line in gzip.decompress(file.content).splitlines()]
        for file in export.encoded_files()
    }


def payloads(export: Export) -> dict[str, list[Any]]:
    """The rows of each file that could be read, as values."""
    return {
        name: [json.loads(line["payload"]) for line in file if line["payload"] is not None]
        for name, file in lines(export).items()
    }


def public(row: Mapping[str, Any]) -> dict[str, Any]:
    """A made row without what is private in it."""
    private = {"username", "ip_addr", "ip_addr_decrypted", "user_agent_decrypted"}
    return {name: value for name, value in row.items() if name not in private}
