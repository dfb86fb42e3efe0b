"""Rows of exports, of every era and of both kinds, as typed rows of `history_plays`, or as rejects with a reason.

Which of them are the same play belongs to `duplicates.py` and `matching.py`; what a play means, to `plays.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.instants import (
    LONGEST_PLAY_MS,
    first_problem,
    problems_of_instants,
    read_instants,
)
from spotifriend_dagster.cleaning.media import without_placeholder_names
from spotifriend_dagster.cleaning.payloads import Kind, read_payloads
from spotifriend_dagster.tables.cleaned import HISTORY_FILES, HISTORY_PLAYS, HISTORY_REJECTS
from spotifriend_dagster.tables.frames import typed_frame

_TEXTS = {  # column: the field of the extended history, and that of account data
    "track_name": ("master_metadata_track_name", "trackName"),
    "artist_name": ("master_metadata_album_artist_name", "artistName"),
    "album_name": ("master_metadata_album_album_name", None),
    "track_uri": ("spotify_track_uri", None),
    "episode_name": ("episode_name", "episodeName"),
    "show_name": ("episode_show_name", "podcastName"),
    "episode_uri": ("spotify_episode_uri", None),
    "audiobook_title": ("audiobook_title", None),
    "audiobook_uri": ("audiobook_uri", None),
    "reason_start": ("reason_start", None),
    "reason_end": ("reason_end", None),
    "platform": ("platform", None),
    "country": ("conn_country", None),
}
_OPTIONAL: dict[str, Kind] = {
    "reason_start": "text",
    "reason_end": "text",
    "platform": "text",
    "conn_country": "text",
    "shuffle": "yes or no",
    "offline": "yes or no",
    "skipped": "yes or no",
    "incognito_mode": "yes or no",
    "offline_timestamp": "whole number",
}
_REQUIRED: dict[str, Kind] = {  # without these, nobody can say what was played, when, and for how long
    "ts": "text",
    "endTime": "text",
    "ms_played": "whole number",
    "msPlayed": "whole number",
    **{name: "text" for names in _TEXTS.values() for name in names if name and name not in _OPTIONAL},
}
_WITHOUT_COLUMN = {
    "username",
    "ip_addr",
    "ip_addr_decrypted",
    "user_agent_decrypted",
    "audiobook_chapter_uri",
    "audiobook_chapter_title",
}
_MILLISECONDS_ABOVE = 10**11  # as seconds, this would be the year 5138
_LATEST_OFFLINE_MS = 4_102_444_800_000  # 2100: beyond it, the value is no time
_ACCOUNT_FILE = "streaminghistory"


@dataclass(frozen=True)
class CleanedHistory:
    """What became of the exports of one listener.

    `plays`, `files` and `rejects` are typed frames of `history_plays`, `history_files` and `history_rejects`; every row
    received is in exactly one of plays and rejects. By (export, file), for those files that have any: `unknown_fields`
    are fields that no era of exports was known to have, `mistyped_values` is how many values of optional fields were
    read as null because they were of the wrong type.
    """

    plays: pd.DataFrame
    files: pd.DataFrame
    rejects: pd.DataFrame
    unknown_fields: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    mistyped_values: dict[tuple[str, str], int] = field(default_factory=dict)


def clean_history(raw: pd.DataFrame, now: pd.Timestamp) -> CleanedHistory:
    """Type the rows of all exports of one listener.

    Whether a row is of the extended history or of account data is told by its own fields (`ts` or `endTime`). Set
    aside, with a reason: what cannot be read; rows without a time, with one in the future (a day is allowed for wrong
    clocks) or before 2006; rows without `ms_played`, or where it is no whole number, negative or over 7 days; names and
    URIs that are no text. Empty texts and placeholder names are null.

    Args:
        raw: rows of `raw_streaming_history`: export, file, row, payload, problem.
        now: the wall clock, UTC-aware.
    """
    raw = _in_order(raw)
    files = _runs(raw)
    payloads = read_payloads(raw["payload"], list(files.values()), _REQUIRED, _OPTIONAL)
    rows = payloads.columns

    is_account = rows["ts"].isna() & rows["endTime"].notna()
    written = rows["ts"].fillna(rows["endTime"])
    ts = read_instants(written)
    ms_played = rows["ms_played"].where(~is_account, rows["msPlayed"])
    reason = (
        raw["problem"]
        .astype("str")
        .fillna(rows["problem"])
        .fillna(problems_of_instants(ts, written, now))
        .fillna(_problems_of_length(ms_played))
    )
    is_good = reason.isna()
    rows = rows.assign(
        source=pd.Series(np.where(is_account, "account", "extended"), dtype="str"),
        ts=ts.mask(is_account, ts.dt.floor("min")).where(is_good),
        ms_played=ms_played,
        **{name: raw[name] for name in ("export", "file", "row")},
    )
    # To take no row would copy 150 MB of payloads first.
    bad = raw.iloc[:0] if is_good.all() else raw[~is_good]
    return CleanedHistory(
        plays=typed_frame(_plays(rows[is_good]), HISTORY_PLAYS),
        files=typed_frame(_files(rows, is_good), HISTORY_FILES),
        rejects=typed_frame(bad.assign(origin=bad["export"], reason=reason[bad.index]), HISTORY_REJECTS),
        unknown_fields={
            file: tuple(sorted(names - _WITHOUT_COLUMN))
            for file, names in zip(files, payloads.unknown_fields, strict=True)
            if names - _WITHOUT_COLUMN
        },
        mistyped_values={file: count for file, count in zip(files, payloads.mistyped_values, strict=True) if count},
    )


def _in_order(raw: pd.DataFrame) -> pd.DataFrame:
    order = raw[["export", "file", "row"]].reset_index(drop=True).sort_values(["export", "file", "row"]).index
    # Storage lists files in order, so that 150 MB of payloads need hardly ever be moved.
    return (raw if order.is_monotonic_increasing else raw.iloc[order]).reset_index(drop=True)


def _runs(raw: pd.DataFrame) -> dict[tuple[str, str], slice]:
    """Where each file's rows are, in sorted rows."""
    names = raw[["export", "file"]]
    starts = np.flatnonzero((names != names.shift()).any(axis="columns"))
    stops = np.append(starts[1:], len(raw))[: len(starts)]
    return {
        (names["export"].iloc[start], names["file"].iloc[start]): slice(int(start), int(stop))
        for start, stop in zip(starts, stops, strict=True)
    }


def _problems_of_length(ms_played: pd.Series) -> pd.Series:
    return first_problem(
        {
            "no ms_played": ms_played.isna(),
            "ms_played is negative": ms_played < 0,
            "ms_played is over 7 days": ms_played > LONGEST_PLAY_MS,
        }
    )


def _plays(rows: pd.DataFrame) -> pd.DataFrame:
    columns = {}
    for column, (extended, account) in _TEXTS.items():
        text = rows[extended] if account is None else rows[extended].fillna(rows[account])
        columns[column] = text.mask(text == "")
    file = rows["file"].str.lower()
    is_podcast = (rows["source"] == "account") & file.str.contains("podcast", regex=False)
    for of_episode, of_track in (("episode_name", "track_name"), ("show_name", "artist_name")):
        columns[of_episode] = columns[of_episode].fillna(columns[of_track].where(is_podcast))
        columns[of_track] = columns[of_track].mask(is_podcast)
    plays = rows[["source", "export", "file", "row", "ts", "ms_played", "shuffle", "offline"]].assign(
        **columns,
        offline_at=_offline_at(rows["offline_timestamp"]),
        is_video=file.str.contains("video", regex=False),
        skipped_flag=rows["skipped"],
        is_private=rows["incognito_mode"].fillna(False),
    )
    return without_placeholder_names(plays)


def _offline_at(offline_timestamp: pd.Series) -> pd.Series:
    """`offline_timestamp` as an instant: in milliseconds until 2023, in seconds since; 0 means none."""
    known = offline_timestamp.where((offline_timestamp > 0) & (offline_timestamp <= _LATEST_OFFLINE_MS))
    instants_ms = known.where(known > _MILLISECONDS_ABOVE, known * 1000)
    return pd.to_datetime(instants_ms, unit="ms", utc=True)


def _files(rows: pd.DataFrame, is_good: pd.Series) -> pd.DataFrame:
    """A file is of the kind of its good rows; a file without any, of the kind that its name tells."""
    is_extended = (rows["source"] == "extended").astype("boolean").where(is_good)
    files = rows[["export", "file", "ts"]].assign(is_bad=~is_good, is_extended=is_extended)
    files = files.groupby(["export", "file"], as_index=False).agg(
        rows=("is_bad", "size"),
        rejected_rows=("is_bad", "sum"),
        first_ts=("ts", "min"),
        last_ts=("ts", "max"),
        is_extended=("is_extended", "max"),
    )
    is_extended = files["is_extended"].fillna(~files["file"].str.lower().str.startswith(_ACCOUNT_FILE)).astype(bool)
    return files.assign(source=np.where(is_extended, "extended", "account"))
