"""What Spotify's data exports would say of a truth: a zip in the form of any era, with its quirks.

The rates of the quirks are those of real exports (docs/metrics.md names those that matter). Polls are in `polls.py`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
import pandas as pd
from numpy.random import Generator

from spotifriend_dagster.demo.listener import Truth

Era = Literal["endsong", "2023", "2025", "account_2022", "account", "both"]
"""The forms of an export: the extended history as sent until 2022, from 2023 and from 2025; the account data until 2022
and later; and the account data beside the extended history of 2025, in one zip."""

EXTENDED_FILE_BYTES = 12_000_000
ACCOUNT_FILE_ROWS = 10_000
USER_NAME = "demo-listener-of-nobody"
EMAIL = "demo.listener@example.invalid"
USER_AGENT = "Mozilla%2F5.0%20(Demo)%20NoBrowser%2F1.0"
IP_PREFIXES = ("203.0.113.", "2001:db8:")
"""What must never be stored: obviously invented, from the ranges that are kept for documentation."""

_SKIPS_TOLD_SINCE = pd.Timestamp("2022-10-15", tz="UTC")
_SHORT_PLATFORM_SINCE = pd.Timestamp("2022-10-01", tz="UTC")
_TOLD_AS_SKIPPED = ("fwdbtn", "backbtn", "endplay", "unknown")
_SHORT_PLATFORMS = {"cast": "not_applicable"}
_LONG_PLATFORMS = {
    "android": "Android OS 10 API 29 (Google, Pixel 3a)",
    "ios": "iOS 15.6 (iPhone12,1)",
    "windows": "Windows 10 (10.0.19044; x64; AppX)",
    "web_player": "web_player windows 10;chrome 103.0.0.0;desktop",
    "cast": "Partner google cast;Google;Chromecast;;tpapi",
}
_ADDRESSES = (
    *(f"{IP_PREFIXES[0]}{host}" for host in (4, 17, 52, 99, 140, 201)),
    *(f"{IP_PREFIXES[1]}{host:x}::{host:x}" for host in (7, 4711)),
    f"{IP_PREFIXES[0]}x",
)
_ZIP_TIME = (2020, 1, 1, 0, 0, 0)  # fixed, so that equal contents are equal files
_ROWS_AT_ONCE = 20_000
_STALE_DAYS = 40  # longer than a start may lie before its report

_TITLES = (
    "master_metadata_track_name",
    "master_metadata_album_artist_name",
    "master_metadata_album_album_name",
    "spotify_track_uri",
    "episode_name",
    "episode_show_name",
    "spotify_episode_uri",
)
_AUDIOBOOK = ("audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title")
_CIRCUMSTANCES = ("reason_start", "reason_end", "shuffle", "skipped", "offline", "offline_timestamp", "incognito_mode")
_EXTENDED_FIELDS: dict[str, tuple[str, ...]] = {
    "endsong": (
        *("ts", "username", "platform", "ms_played", "conn_country", "ip_addr_decrypted", "user_agent_decrypted"),
        *_TITLES,
        *_CIRCUMSTANCES,
    ),
    "2023": (
        *("ts", "username", "platform", "ms_played", "conn_country", "ip_addr", "user_agent_decrypted"),
        *_TITLES,
        *_CIRCUMSTANCES,
    ),
    "2025": (
        *("ts", "platform", "ms_played", "conn_country", "ip_addr"),
        *_TITLES,
        *_AUDIOBOOK,
        *_CIRCUMSTANCES,
    ),
}
_ACCOUNT_FIELDS = ("endTime", "artistName", "trackName", "msPlayed")
_ACCOUNT_PODCAST_FIELDS = ("endTime", "podcastName", "episodeName", "msPlayed")

_PDF = b"%PDF-1.4\n% invented\n%%EOF\n"
_OTHER_ACCOUNT_FILES = {
    "Read_Me_First.pdf": _PDF,
    "Userdata.json": orjson.dumps({"username": USER_NAME, "email": EMAIL, "country": "DE", "birthdate": "1990-01-01"}),
    "Playlist1.json": orjson.dumps(
        {"playlists": [{"name": "Deep Work", "lastModifiedDate": "2024-05-01", "items": [], "numberOfFollowers": 0}]}
    ),
    "SearchQueries.json": orjson.dumps([{"platform": "IPHONE", "searchTime": "2024-05-01", "searchQuery": "fjord"}]),
    "Follow.json": orjson.dumps({"userIsFollowing": ["another-listener-of-nobody"], "userIsFollowedBy": []}),
}
"""What account data holds besides listening: to be ignored, whatever is in it."""


def write_export(truth: Truth, path: Path, era: Era = "2025", cutoff: datetime | None = None) -> pd.DataFrame:
    """Write the export that Spotify would have made of a truth at an instant; the same arguments write the same bytes.

    Args:
        truth: what really happened.
        path: the zip to write; an existing file is replaced.
        era: the form of the export.
        cutoff: only what Spotify knew before this instant (UTC-aware); by default everything. Account data reaches back
            one year from it.

    Returns:
        The origin of every row, in the order of files and rows: file (its name in the zip), row (from 0), event (the
        index in `truth.events`), and quirk: null, `duplicate` (equal in every field to another row of the event),
        `duplicate_but_ts` (equal but for a later `ts`), or `nameless` (the row says nothing of what was played).
        Extended eras have every event but audiobooks, which only "2025" has; account data has no audiobooks, and is
        silent on private sessions being private.
    """
    until = pd.Timestamp(cutoff) if cutoff is not None else truth.end
    origins = []
    with zipfile.ZipFile(path, "w") as archive:
        if era in ("account", "account_2022", "both"):
            origins.append(_write_account(archive, truth, until, is_old=era == "account_2022"))
        if era in _EXTENDED_FIELDS or era == "both":
            origins.append(_write_extended(archive, truth, until, "2025" if era == "both" else era))
    return pd.concat(origins, ignore_index=True).astype({"file": "str", "quirk": "str"})


def _write_extended(archive: zipfile.ZipFile, truth: Truth, until: pd.Timestamp, era: str) -> pd.DataFrame:
    folder = "Spotify Extended Streaming History" if era == "2025" else "MyData"
    _add(archive, f"{folder}/ReadMeFirst_ExtendedStreamingHistory.pdf", _PDF)
    rng = np.random.default_rng([truth.seed, 3, list(_EXTENDED_FIELDS).index(era)])
    is_told = truth.events["closed_at"] < until
    if era != "2025":
        is_told &= truth.events["media"] != "audiobook"
    rows = _with_duplicates(rng, _extended_rows(truth, era).loc[is_told])
    if era == "endsong":
        rows = rows.take(rng.permutation(len(rows)))
        return _write_files(
            archive, rows, _EXTENDED_FIELDS[era], lambda _, number: f"{folder}/endsong_{number}.json", is_pretty=False
        )
    rows = rows.sort_values("ts", kind="stable")
    is_video = rows["media"] == "video"

    def name(kind: str, chunk: pd.DataFrame, number: int) -> str:
        years = "-".join(dict.fromkeys((chunk["ts"].iloc[0][:4], chunk["ts"].iloc[-1][:4])))
        suffix = f"_{number}" if kind == "Audio" or number else ""
        return f"{folder}/Streaming_History_{kind}_{years}{suffix}.json"

    origins = [
        _write_files(archive, rows.loc[of_kind], _EXTENDED_FIELDS[era], partial(name, kind), is_pretty=era == "2025")
        for kind, of_kind in (("Audio", ~is_video), ("Video", is_video))
    ]
    return pd.concat(origins, ignore_index=True)


def _extended_rows(truth: Truth, era: str) -> pd.DataFrame:
    """Every event as a row of the extended history, with event, quirk and media. A play keeps its row in every era."""
    events, quirks = truth.events, _quirks(truth)
    is_video = events["media"] == "video"
    told_as_skipped = events["reason_end"].isin(_TOLD_AS_SKIPPED).astype("object")
    is_before_skips = events["closed_at"] < _SKIPS_TOLD_SINCE
    is_long = (events["closed_at"] < _SHORT_PLATFORM_SINCE) | (era == "endsong")
    platform = events["platform"].replace(_SHORT_PLATFORMS).mask(is_long, events["platform"].map(_LONG_PLATFORMS))
    country = events["country"].mask(quirks["is_country_lost"], "ZZ")
    rows = pd.DataFrame(
        {
            "ts": np.datetime_as_string(events["closed_at"].to_numpy(dtype="datetime64[s]"), timezone="UTC"),
            "username": USER_NAME,
            "platform": platform,
            "ms_played": events["ms_played"],
            "conn_country": country,
            "ip_addr": quirks["address"],
            "ip_addr_decrypted": quirks["address"],
            "user_agent_decrypted": np.where(quirks["is_agent_told"], USER_AGENT, "unknown"),
            "master_metadata_track_name": events["track_name"],
            "master_metadata_album_artist_name": events["artist_name"],
            "master_metadata_album_album_name": events["album_name"],
            "spotify_track_uri": events["track_uri"],
            "episode_name": events["episode_name"],
            "episode_show_name": events["show_name"],
            "spotify_episode_uri": events["episode_uri"],
            "audiobook_title": events["audiobook_title"],
            "audiobook_uri": events["audiobook_uri"],
            "audiobook_chapter_uri": events["chapter_uri"],
            "audiobook_chapter_title": events["chapter_title"],
            "reason_start": events["reason_start"].astype("object").mask(quirks["is_start_lost"], ""),
            "reason_end": events["reason_end"].astype("object").mask(quirks["is_end_lost"], None),
            "shuffle": events["shuffle"],
            "skipped": told_as_skipped.mask(is_before_skips, None if era == "endsong" else False).mask(is_video, None),
            "offline": events["offline"].astype("object").mask(is_video, None),
            "offline_timestamp": _offline_timestamps(events, quirks, in_ms=era == "endsong"),
            "incognito_mode": events["is_private"],
            "event": events.index,
            "quirk": quirks["is_nameless"].map({True: "nameless", False: None}),
            "media": events["media"],
        }
    )
    rows.loc[quirks["is_nameless"], list(_TITLES)] = None
    return rows


def _offline_timestamps(events: pd.DataFrame, quirks: pd.DataFrame, *, in_ms: bool) -> pd.Series:
    """The start of the play; 0 for players that tell none; null for videos; now and then one of another time."""
    started = events["started_at"] - pd.to_timedelta(quirks["is_stale"] * _STALE_DAYS, unit="D")
    epoch_ms = started.to_numpy(dtype="datetime64[ms]").astype("int64")
    stamps = np.where(events["platform"] == "cast", 0, epoch_ms if in_ms else epoch_ms // 1000)
    return pd.Series(stamps.astype("object"), index=events.index).mask(events["media"] == "video", None)


def _quirks(truth: Truth) -> pd.DataFrame:
    """What is odd about the row of each event, the same in every export of the truth."""
    count = len(truth.events)
    rng = np.random.default_rng([truth.seed, 4])

    def one_in(number: float) -> np.ndarray:
        return rng.random(count) < 1 / number

    is_track = (truth.events["media"] == "track").to_numpy()
    return pd.DataFrame(
        {
            "is_nameless": is_track & one_in(350),
            "is_nameless_in_account": one_in(2),
            "is_stale": one_in(2000),
            "is_start_lost": one_in(1500),
            "is_end_lost": one_in(1500),
            "is_country_lost": one_in(800),
            "is_agent_told": one_in(40),
            "address": rng.choice(_ADDRESSES, count),
            "is_told_a_minute_early": one_in(37),
            "is_told_minutes_early": one_in(100),
            "is_length_off": one_in(200),
        }
    )


def _with_duplicates(rng: Generator, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` and some again: about 1 in 5,000 just so, and 1 in 3,000 with a later `ts`; at least one of each."""
    sure = rows.loc[rows["quirk"].isna() & (rows["media"] == "track") & (rows["offline_timestamp"] != 0)]
    if sure.empty:
        return rows
    same = sure.take(rng.integers(0, len(sure), 1 + len(rows) // 5000)).assign(quirk="duplicate")
    later = sure.take(rng.integers(0, len(sure), 1 + len(rows) // 3000)).assign(quirk="duplicate_but_ts")
    shifted = pd.to_datetime(later["ts"]) + pd.to_timedelta(rng.integers(1, 900, len(later)), unit="s")
    later["ts"] = shifted.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pd.concat([rows, same, later])


def _write_account(archive: zipfile.ZipFile, truth: Truth, until: pd.Timestamp, *, is_old: bool) -> pd.DataFrame:
    folder = "MyData" if is_old else "Spotify Account Data"
    for other, content in _OTHER_ACCOUNT_FILES.items():
        _add(archive, f"{folder}/{other}", content)
    rows = _account_rows(truth)
    is_in_reach = (truth.events["closed_at"] < until) & (rows["ended_at"] > until - pd.Timedelta(days=365))
    rows = rows.loc[is_in_reach & (rows["media"] != "audiobook")].sort_values("endTime", kind="stable")
    if is_old:
        parts = [("StreamingHistory", rows, _ACCOUNT_FIELDS)]
    else:
        is_track = rows["media"] == "track"
        podcasts = rows.loc[~is_track].rename(columns={"artistName": "podcastName", "trackName": "episodeName"})
        parts = [
            ("StreamingHistory_music_", rows.loc[is_track], _ACCOUNT_FIELDS),
            ("StreamingHistory_podcast_", podcasts, _ACCOUNT_PODCAST_FIELDS),
        ]

    def name(stem: str, _: pd.DataFrame, number: int) -> str:
        return f"{folder}/{stem}{number}.json"

    origins = [
        _write_files(archive, part, fields, partial(name, stem), is_pretty=True, file_rows=ACCOUNT_FILE_ROWS)
        for stem, part, fields in parts
    ]
    return pd.concat(origins, ignore_index=True)


def _account_rows(truth: Truth) -> pd.DataFrame:
    """Every event as a row of account data, with ended_at, event, quirk and media.

    Where the extended history dates a play late, account data dates it by its sound; and some a little early.
    """
    events, quirks = truth.events, _quirks(truth)
    sound_end = events["started_at"] + pd.to_timedelta(events["ms_played"], unit="ms")
    is_late = events["closed_at"] - sound_end > pd.Timedelta(seconds=60)
    early = np.where(quirks["is_told_minutes_early"], 3, quirks["is_told_a_minute_early"])
    ended_at = events["closed_at"].mask(is_late, sound_end) - pd.to_timedelta(early, unit="min")
    is_nameless = quirks["is_nameless"] & quirks["is_nameless_in_account"]
    minutes = np.datetime_as_string(ended_at.to_numpy(dtype="datetime64[m]"))
    return pd.DataFrame(
        {
            "endTime": pd.Series(minutes, dtype="str").str.replace("T", " "),
            "artistName": events["artist_name"].fillna(events["show_name"]).mask(is_nameless, "Unknown Artist"),
            "trackName": events["track_name"].fillna(events["episode_name"]).mask(is_nameless, "Unknown Track"),
            "msPlayed": events["ms_played"] + quirks["is_length_off"] * 7,
            "ended_at": ended_at,
            "event": events.index,
            "quirk": is_nameless.map({True: "nameless", False: None}),
            "media": events["media"],
        }
    )


def _write_files(
    archive: zipfile.ZipFile,
    rows: pd.DataFrame,
    fields: tuple[str, ...],
    name: Callable[[pd.DataFrame, int], str],
    *,
    is_pretty: bool,
    file_rows: int | None = None,
) -> pd.DataFrame:
    """Write rows to as many files as they need, one at a time, and say which row went where.

    Args:
        archive: the zip to write to.
        rows: the fields, and event and quirk.
        fields: what is written, in this order.
        name: the name of a file, from its rows and its number.
        is_pretty: whether each field has its own line, as in newer exports.
        file_rows: how many rows a full file has; without, it is full by its size.
    """
    origins = []
    start = 0
    for number, texts in enumerate(_cut(_row_texts(rows, fields, is_pretty), file_rows)):
        chunk = rows.iloc[start : start + len(texts)]
        file = name(chunk, number)
        content = b"[" + b", ".join(texts) + b"]"
        if is_pretty:  # as Spotify does it, with a space before the colon
            for field in fields:
                content = content.replace(b'\n  "%s":' % field.encode(), b'\n  "%s" :' % field.encode())
        _add(archive, file, content)
        origins.append(chunk[["event", "quirk"]].assign(file=file, row=np.arange(len(chunk))))
        start += len(chunk)
    origin = pd.concat(origins) if origins else rows[["event", "quirk"]].assign(file="", row=0)
    return origin[["file", "row", "event", "quirk"]]


def _row_texts(rows: pd.DataFrame, fields: tuple[str, ...], is_pretty: bool) -> Iterator[bytes]:
    option = orjson.OPT_INDENT_2 if is_pretty else 0
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows.iloc[first : first + _ROWS_AT_ONCE]
        columns = [block[field].tolist() for field in fields]  # a missing text is a NaN, which orjson writes as null
        for values in zip(*columns, strict=True):
            yield orjson.dumps(dict(zip(fields, values, strict=True)), option=option)


def _cut(texts: Iterable[bytes], file_rows: int | None) -> Iterator[list[bytes]]:
    file: list[bytes] = []
    size = 0
    for text in texts:
        file.append(text)
        size += len(text)
        if len(file) == file_rows or (file_rows is None and size >= EXTENDED_FILE_BYTES):
            yield file
            file, size = [], 0
    if file:
        yield file


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    archive.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=1)  # 6 would take three times as long
