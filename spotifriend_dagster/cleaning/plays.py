"""All sources of one listener, united into one row per listening event: the order in which the rules are applied.

Each rule is in the module of its name; what the rows of a source look like is in `history.py` and `recent.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.duplicates import identity_of, repeated_history
from spotifriend_dagster.cleaning.flags import add_flags
from spotifriend_dagster.cleaning.gaps import covered_stretches, listening_gaps
from spotifriend_dagster.cleaning.hours import split_by_hour
from spotifriend_dagster.cleaning.matching import IN_EXPORT, match_account, match_recent
from spotifriend_dagster.cleaning.media import media_of
from spotifriend_dagster.cleaning.novelty import add_novelty
from spotifriend_dagster.cleaning.recent_repeats import repeated_recent
from spotifriend_dagster.cleaning.recordings import recording_ids
from spotifriend_dagster.cleaning.sessions import add_sessions
from spotifriend_dagster.cleaning.starts import recent_start_times, start_times
from spotifriend_dagster.cleaning.time_zones import ZoneHistory, epoch_ms
from spotifriend_dagster.tables.cleaned import PLAYS, ROW_OUTCOMES
from spotifriend_dagster.tables.frames import typed_frame

_A_PLAY = "a play"
_NAMED_BY_POLL = ("track_uri", "track_name", "artist_name", "album_name", "isrc", "duration_ms")
_LATER_POLL = "known from an earlier poll of the day"


@dataclass(frozen=True)
class UnitedPlays:
    """One listener's listening: typed frames of `plays`, `play_hours`, `row_outcomes` and `listening_gaps`."""

    plays: pd.DataFrame
    play_hours: pd.DataFrame
    row_outcomes: pd.DataFrame
    listening_gaps: pd.DataFrame


def unite_plays(
    *,
    history: pd.DataFrame,
    history_files: pd.DataFrame,
    history_rejects: pd.DataFrame,
    recent: pd.DataFrame,
    recent_pages: pd.DataFrame,
    recent_rejects: pd.DataFrame,
    zones: ZoneHistory,
    include_private: bool,
) -> UnitedPlays:
    """Unite what all exports and polls say of one listener (docs/metrics.md, all of "The play").

    Every input row is kept, a duplicate, superseded or rejected; `row_outcomes` counts them by file, with the reasons.

    Args:
        history, history_files, history_rejects: what `clean_history` made of all exports.
        recent, recent_pages, recent_rejects: what `clean_recent` made of all days, one below the other.
        zones: the listener's time zones.
        include_private: whether private sessions take part in insights.
    """
    history, recent = history.reset_index(drop=True), recent.reset_index(drop=True)
    history_repeats, recent_repeats = repeated_history(history), repeated_recent(recent, recent_pages)
    exports = _exports(history[history_repeats.isna()])
    polled = _polled(recent[recent_repeats.isna()])

    account = match_account(exports)
    for name in account.names:
        exports[name] = exports[name].fillna(account.names[name])
    exports = exports.drop(account.superseded.dropna().index)
    exports = exports.assign(**_known_of_tracks(exports["track_uri"], polled))

    matched = match_recent(polled, exports)
    is_in_export = matched.notna()
    exports = _with_polled(exports, polled[is_in_export].set_index(matched[is_in_export]))

    plays = _with_meaning(_one_below_other(exports, polled[~is_in_export]), zones, include_private)
    outcomes = [
        _outcomes_of_history(history, history_files, history_rejects, history_repeats, account.superseded),
        _outcomes_of_recent(recent, recent_pages, recent_rejects, recent_repeats, is_in_export),
    ]
    return UnitedPlays(
        plays=typed_frame(plays, PLAYS),
        play_hours=split_by_hour(plays),
        row_outcomes=typed_frame(pd.concat(outcomes), ROW_OUTCOMES),
        listening_gaps=listening_gaps(
            recent_pages, recent[recent_repeats.isna()], covered_stretches(history_files, history)
        ),
    )


def canonical_order(plays: pd.DataFrame) -> np.ndarray:
    """The positions of plays in canonical order: by started_at, ended_at, `ts`, file and row (docs/metrics.md).

    Account rows stand in their own order, by `endTime`, file and row: their ends are cut to the minute, so that the
    starts computed from them may be out of order. For this, none of them sorts by an earlier start than the account
    rows before it.
    """
    start, end, close = (epoch_ms(plays[name]) for name in ("started_at", "ended_at", "closed_at"))
    row, file, origin = (pd.factorize(plays[name], sort=True)[0] for name in ("row", "file", "origin"))
    account = np.flatnonzero(plays["source"] == "account")
    account = account[np.lexsort((origin[account], row[account], file[account], close[account]))]
    start[account] = np.maximum.accumulate(start[account])
    return np.lexsort((origin, row, file, close, end, start))


def play_ids(plays: pd.DataFrame) -> pd.Series:
    """A name of 16 hexadecimal digits for each play, made from its identity alone.

    That is the source's time stamp, what was played, ms_played, and which of the plays alike in these it is. The
    ms_played of a polled play is an estimate that changes when others are known, and so is no part of it.

    Args:
        plays: in canonical order; closed_at, identity, ms_played, ms_played_is_estimate.
    """
    identity = pd.DataFrame(
        {
            "closed_ms": epoch_ms(plays["closed_at"]),
            "identity": plays["identity"],
            "ms_played": plays["ms_played"].mask(plays["ms_played_is_estimate"], -1),
        },
        index=plays.index,
    )
    hashed = pd.util.hash_pandas_object(identity, index=False)
    occurrence = hashed.groupby(hashed, sort=False).cumcount()
    hashed = pd.util.hash_pandas_object(pd.DataFrame({"play": hashed, "occurrence": occurrence}), index=False)
    digits = np.frombuffer(hashed.to_numpy(dtype=">u8").tobytes().hex().encode(), dtype="S16")
    return pd.Series(digits.astype("U16"), index=plays.index, dtype="str")


def _exports(history: pd.DataFrame) -> pd.DataFrame:
    exports = pd.concat([history, start_times(history)], axis="columns").assign(
        origin=history["export"], identity=identity_of(history), ms_played_is_estimate=False
    )
    return exports.iloc[canonical_order(exports)]


def _polled(recent: pd.DataFrame) -> pd.DataFrame:
    days = np.datetime_as_string(recent["collected_on"].to_numpy(dtype="datetime64[D]"))
    polled = pd.concat([recent, recent_start_times(recent)], axis="columns").assign(
        source=pd.Series("recent", index=recent.index, dtype="str"),
        origin=pd.Series(days, index=recent.index, dtype="str"),
        file=recent["page"],
        identity=recent["track_uri"],
        is_video=False,
        is_private=False,
    )
    return polled.sort_values(["played_at", "track_uri"])


def _with_polled(exports: pd.DataFrame, polled: pd.DataFrame) -> pd.DataFrame:
    """`exports` with what their own polls say more: the context; and what was played, where the row names nothing.

    Args:
        polled: polled plays that are in the exports, by the index of the export's row.
    """
    exports = exports.assign(context_uri=polled["context_uri"].reindex(exports.index))
    named = polled[(identity_of(exports) == "")[polled.index].to_numpy()]
    for name in _NAMED_BY_POLL:
        exports.loc[named.index, name] = named[name]
    return exports


def _known_of_tracks(track_uri: pd.Series, polled: pd.DataFrame) -> dict[str, pd.Series]:
    """ISRC and duration by track URI: the latest that polls said."""
    codes, uris = pd.factorize(track_uri)
    known = {}
    for name in ("isrc", "duration_ms"):
        latest = polled.dropna(subset=[name]).drop_duplicates("track_uri", keep="last").set_index("track_uri")[name]
        known[name] = pd.Series(latest.reindex(uris).array.take(codes, allow_fill=True), index=track_uri.index)
    return known


def _one_below_other(exports: pd.DataFrame, polled: pd.DataFrame) -> pd.DataFrame:
    columns = [name for name in (*PLAYS.column_names, "identity", "is_video") if name in exports]
    unknown = {name: pd.Series(index=polled.index, dtype=exports[name].dtype) for name in columns if name not in polled}
    return pd.concat([exports[columns], polled.assign(**unknown)[columns]], ignore_index=True)


def _with_meaning(plays: pd.DataFrame, zones: ZoneHistory, include_private: bool) -> pd.DataFrame:
    plays = plays.iloc[canonical_order(plays)].reset_index(drop=True)
    plays = plays.assign(play_number=np.arange(1, len(plays) + 1), play_id=play_ids(plays), media=media_of(plays))
    plays = pd.concat([plays, zones.localize(plays["started_at"])], axis="columns")
    plays = plays.assign(recording_id=recording_ids(plays))
    return add_sessions(add_novelty(add_flags(plays, include_private)))


def _outcomes_of_history(
    history: pd.DataFrame,
    files: pd.DataFrame,
    rejects: pd.DataFrame,
    repeats: pd.Series,
    superseded: pd.Series,
) -> pd.DataFrame:
    """What became of every row of every export. The `source` is that of the file, which is what rows are counted by."""
    rows = _outcomes_of_rows(history["export"], history["file"], repeats, superseded)
    source = files.set_index(["export", "file"])["source"].rename_axis(["origin", "file"])
    return _counted([rows, _outcomes_of_rejects(rejects)]).join(source, on=["origin", "file"])


def _outcomes_of_recent(
    recent: pd.DataFrame,
    pages: pd.DataFrame,
    rejects: pd.DataFrame,
    repeats: pd.Series,
    is_in_export: pd.Series,
) -> pd.DataFrame:
    """What became of every play of every page: of those that are rows, that were rejected, and that pages repeated."""
    days = recent["collected_on"].dt.strftime("%Y-%m-%d")
    superseded = pd.Series(IN_EXPORT, index=is_in_export.index[is_in_export], dtype="str")
    rows = _outcomes_of_rows(days, recent["page"], repeats, superseded)
    repeated = pd.DataFrame(
        {
            "origin": pages["collected_on"].dt.strftime("%Y-%m-%d"),
            "file": pages["page"],
            "outcome": "duplicate",
            "reason": _LATER_POLL,
            "rows": pages["rows"] - pages["rejected_rows"] - pages["new_rows"],
        }
    )
    counted = _counted([rows, _outcomes_of_rejects(rejects)])
    return pd.concat([counted, repeated[repeated["rows"] > 0]]).assign(source="recent")


def _outcomes_of_rows(origin: pd.Series, file: pd.Series, repeats: pd.Series, superseded: pd.Series) -> pd.DataFrame:
    superseded = superseded.reindex(repeats.index)
    outcome = np.select([repeats.notna(), superseded.notna()], ["duplicate", "superseded"], default="kept")
    reason = repeats.fillna(superseded).fillna(_A_PLAY)
    return pd.DataFrame({"origin": origin, "file": file, "outcome": outcome, "reason": reason})


def _outcomes_of_rejects(rejects: pd.DataFrame) -> pd.DataFrame:
    return rejects[["origin", "file", "reason"]].assign(outcome="rejected")


def _counted(outcomes: list[pd.DataFrame]) -> pd.DataFrame:
    columns = ["origin", "file", "outcome", "reason"]
    return pd.concat(outcomes).groupby(columns).size().rename("rows").reset_index()
