"""The same play from two sources, paired one to one: account data with the extended history, polls with exports.

Repeats within one source belong to `duplicates.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.duplicates import identity_of, names_of
from spotifriend_dagster.cleaning.recordings import normalised
from spotifriend_dagster.cleaning.starts import SHORTEST_POLLED_MS
from spotifriend_dagster.cleaning.time_zones import epoch_ms

IN_EXTENDED = "the same play is in the extended history"
MONTH_IN_EXTENDED = "its month is in the extended history"
IN_EXPORT = "the same play is in an export"

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_STEPS_MS = (2 * _MINUTE_MS, _HOUR_MS, _DAY_MS)
"""Pairing nearest first may be done in steps of distance, so that a song on repeat is not held against a whole day."""

_LATEST_REPORT_MS = 30 * _DAY_MS
"""A play is told to the exports at most so long after its start, here as in the rules for `offline_timestamp`."""
_LONGER_MS = 2 * _SECOND_MS
"""A row may say that a track played a little longer than it lasts."""
_TOLERANCE_MS = 10 * _SECOND_MS
_PRECISION_MS = {"extended": _SECOND_MS, "account": _MINUTE_MS}
_NAMES = ["track_name", "artist_name", "episode_name", "show_name"]


@dataclass(frozen=True)
class AccountMatch:
    """What the extended history and account data say of each other.

    `superseded`: why each account row is superseded, in a few words; null where it stays. `names`: for extended rows
    that have no names of their own, by their index, the names that an account row gives them.
    """

    superseded: pd.Series
    names: pd.DataFrame


def match_account(exports: pd.DataFrame) -> AccountMatch:
    """Pair account rows with extended rows (docs/metrics.md, "The same play from two sources").

    First rows of equal names and ms_played, nearest end first, at most 24 h from the extended row's `ended_at` or `ts`;
    then an extended row without URI or names with the account row of its minute and ms_played, where each is the only
    one; then rows that have no names in either source. In UTC months in which at least 90 % of the account rows are
    paired, the others are superseded as well.

    Args:
        exports: rows of `history_plays` with their start times, without repeats, in canonical order.
    """
    account = exports[exports["source"] == "account"]
    extended = exports[exports["source"] == "extended"]
    extended = extended[_is_within(_DAY_MS, extended, epoch_ms(account["closed_at"]))]
    has_names, is_named = names_of(extended) != "", names_of(account) != ""
    is_paired = pd.Series(False, index=account.index)

    is_paired[_paired_by_names(account[is_named], extended[has_names]).index] = True
    without_identity = extended[(identity_of(extended) == "") & ~extended["is_video"]]
    named_by = _paired_by_minute(account[is_named & ~is_paired], without_identity)
    is_paired[named_by.index] = True
    still_without_names = extended[~has_names & ~extended.index.isin(named_by)]
    is_paired[_paired_by_names(account[~is_named], still_without_names).index] = True

    months = is_paired.groupby([account["ts"].dt.year, account["ts"].dt.month])
    is_month_known = months.transform("sum") * 10 >= months.transform("size") * 9
    superseded = pd.Series(index=account.index, dtype="str").mask(is_month_known, MONTH_IN_EXTENDED)
    return AccountMatch(
        superseded=superseded.mask(is_paired, IN_EXTENDED),
        names=account.loc[named_by.index, _NAMES].set_axis(pd.Index(named_by, dtype="int64")),
    )


def match_recent(recent: pd.DataFrame, exports: pd.DataFrame) -> pd.Series:
    """Pair polled plays with plays of exports (docs/metrics.md, "The same play from two sources").

    1. By the same track URI; what is left by the same ISRC; what is left by the same normalised title and primary
       artist. Their ends lie within 10 s plus the coarser precision (by `ended_at` or `ts`), or the plays overlap; the
       smallest distance is paired first, and of equal ones that of the earlier play.
    2. What is left where the exports hold the month (nine tenths of its polled plays are paired) must be in them under
       another name or date. First with rows that say nothing of what was played, by their ends.
    3. By the same track again, up to 30 days apart, in the direction in which the sources err: `ts` comes late, so that
       the play ended before; account data leaves out a last pause, so that the play was reported after.
    4. With rows that name nothing again, where the play ended between the end of the row's sound and its `ts`.

    Args:
        recent: rows of `recent_plays` with their start times, without repeats, in order of played_at.
        exports: rows of `history_plays` with their start times and what is known of their ISRC, without repeats and
            superseded rows, in canonical order, with a unique index.

    Returns:
        The index of the export's row, by the index of `recent`; null where no row is the same play.
    """
    matched = pd.Series(pd.NA, index=recent.index, dtype="Int64")
    exports = exports[_is_within(_LATEST_REPORT_MS, exports, epoch_ms(recent["closed_at"]))]
    keys = (_by_uri, _by_isrc, _by_names)
    for key in keys:
        left, right = recent[matched.isna()], exports[~exports.index.isin(matched)]
        pairs = _paired_by_time(left, right, *_common_keys(key(left), key(right)))
        matched[pairs.index] = pairs

    is_held = _is_in_held_month(recent, exports, matched)
    can_be_polled = (exports["ms_played"] >= SHORTEST_POLLED_MS) & ~exports["is_private"]
    is_nameless = can_be_polled & (identity_of(exports) == "") & ~exports["is_video"]
    dated_otherwise = [(key, can_be_polled, _is_dated_otherwise) for key in keys]
    for key, is_candidate, is_same in (
        (_by_nothing, is_nameless, _is_heard_then),
        *dated_otherwise,
        (_by_nothing, is_nameless, _is_heard_before_report),
    ):
        left, right = recent[is_held & matched.isna()], exports[is_candidate & ~exports.index.isin(matched)]
        pairs = _paired_otherwise(left, right, *_common_keys(key(left), key(right)), is_same)
        matched[pairs.index] = pairs
    return matched


def _is_in_held_month(recent: pd.DataFrame, exports: pd.DataFrame, matched: pd.Series) -> pd.Series:
    """Which polled plays the exports must hold: those in the exports' time, in a UTC month of which nine tenths are."""
    played_at, closed_at = recent["closed_at"], exports["closed_at"]
    is_within = played_at.between(exports[["ended_at", "closed_at"]].min(axis=None), closed_at.max())
    months = matched.notna()[is_within].groupby([played_at.dt.year, played_at.dt.month])
    is_held = months.transform("sum") * 10 >= months.transform("size") * 9
    return is_held.reindex(recent.index, fill_value=False)


def _by_uri(rows: pd.DataFrame) -> pd.Series:
    return rows["track_uri"]


def _by_isrc(rows: pd.DataFrame) -> pd.Series:
    return rows["isrc"]


def _by_names(rows: pd.DataFrame) -> pd.Series:
    return normalised(rows["track_name"]) + "\n" + normalised(rows["artist_name"])


def _by_nothing(rows: pd.DataFrame) -> pd.Series:
    return pd.Series("", index=rows.index)


def _is_within(reach_ms: int, rows: pd.DataFrame, instants_ms: np.ndarray) -> np.ndarray:
    """Which rows start or end at most so far outside of the span of `instants_ms`: others cannot be paired."""
    if not len(instants_ms):
        return np.zeros(len(rows), dtype=bool)
    starts, ends, closes = (epoch_ms(rows[name]) for name in ("started_at", "ended_at", "closed_at"))
    earliest, latest = instants_ms.min() - reach_ms, instants_ms.max() + reach_ms
    return (np.maximum(ends, closes) >= earliest) & (np.minimum(starts, ends) <= latest)


class _Times(NamedTuple):
    """Instants in milliseconds, each under a key; a key of -1 matches nothing."""

    key: np.ndarray
    at: np.ndarray

    def take(self, positions: np.ndarray) -> _Times:
        return _Times(self.key[positions], self.at[positions])


def _paired_by_names(account: pd.DataFrame, extended: pd.DataFrame) -> pd.Series:
    """Pairs of equal names and ms_played, nearest end first: the extended row's index by that of the account row."""
    account_key, extended_key = _common_keys(
        names_of(account) + "\n" + account["ms_played"].astype("str"),
        names_of(extended) + "\n" + extended["ms_played"].astype("str"),
    )
    end = _Times(account_key, epoch_ms(account["closed_at"]))
    extended_ends = [_Times(extended_key, epoch_ms(extended[name])) for name in ("ended_at", "closed_at")]
    pairs = np.full(len(account), -1)
    for step in _STEPS_MS:
        left, right = np.flatnonzero(pairs < 0), np.setdiff1d(np.arange(len(extended)), pairs)
        near = [_near(end.take(left), ends.take(right), step, step) for ends in extended_ends]
        from_left, from_right = (np.concatenate(sides) for sides in zip(*near, strict=True))
        left, right = left[from_left], right[from_right]
        distance = np.min([np.abs(end.at[left] - ends.at[right]) for ends in extended_ends], axis=0)
        left, right = _one_to_one(left, right, distance)
        pairs[left] = right
    return _labelled(pairs, account, extended)


def _paired_by_minute(account: pd.DataFrame, extended: pd.DataFrame) -> pd.Series:
    """Pairs of equal minute and ms_played that are each the only row of theirs."""
    left = pd.DataFrame({"minute": account["ts"], "ms_played": account["ms_played"], "account": account.index})
    right = pd.DataFrame(
        {"minute": extended["ts"].dt.floor("min"), "ms_played": extended["ms_played"], "extended": extended.index}
    )
    at = ["minute", "ms_played"]
    pairs = left.drop_duplicates(at, keep=False).merge(right.drop_duplicates(at, keep=False), on=at)
    return pairs.set_index("account")["extended"]


def _paired_by_time(
    recent: pd.DataFrame, exports: pd.DataFrame, recent_key: np.ndarray, export_key: np.ndarray
) -> pd.Series:
    """Pairs of equal key whose ends are near or that overlap: the export row's index by that of the polled play."""
    start, end = epoch_ms(recent["started_at"]), epoch_ms(recent["ended_at"])
    export_start, export_end, export_close = (
        epoch_ms(exports[name]) for name in ("started_at", "ended_at", "closed_at")
    )
    tolerance = _tolerance_of(exports)
    widest = _TOLERANCE_MS + max(_PRECISION_MS.values())
    longest = np.zeros(max(recent_key.max(initial=0), export_key.max(initial=0)) + 1, dtype="int64")
    np.maximum.at(longest, export_key[export_key >= 0], (export_end - export_start)[export_key >= 0])

    ends = _Times(recent_key, end)
    by_end = _near(
        ends, _Times(export_key, export_end), np.maximum(widest, end - start), np.maximum(widest, longest[recent_key])
    )
    by_close = _near(ends, _Times(export_key, export_close), widest, widest)
    left, right = (np.concatenate(sides) for sides in zip(by_end, by_close, strict=True))
    distance = np.minimum(np.abs(end[left] - export_end[right]), np.abs(end[left] - export_close[right]))
    overlaps = (start[left] < export_end[right]) & (export_start[right] < end[left])
    is_same = (distance <= tolerance[right]) | overlaps
    left, right = _one_to_one(left[is_same], right[is_same], distance[is_same])
    pairs = np.full(len(recent), -1)
    pairs[left] = right
    return _labelled(pairs, recent, exports)


class _Candidates(NamedTuple):
    """Pairs of a polled play and a row of an export: what the one and the other say, in milliseconds."""

    distance: np.ndarray
    played_at: np.ndarray
    duration_ms: np.ndarray
    started_at: np.ndarray
    ended_at: np.ndarray
    closed_at: np.ndarray
    ms_played: np.ndarray
    tolerance: np.ndarray
    is_account: np.ndarray
    is_start_told: np.ndarray


def _is_dated_otherwise(pairs: _Candidates) -> np.ndarray:
    """Whether each may be one play of the track: the row is dated as late, or as early, as its source can be."""
    late = pairs.closed_at - pairs.played_at
    is_reported_late = (-pairs.tolerance <= late) & (late <= _LATEST_REPORT_MS)
    is_reported_late &= ~pairs.is_start_told | (pairs.started_at - pairs.tolerance <= pairs.played_at)
    is_pause_left_out = (late >= -_LATEST_REPORT_MS) & (late <= pairs.tolerance)
    return np.where(pairs.is_account, is_pause_left_out, is_reported_late)


def _is_heard_then(pairs: _Candidates) -> np.ndarray:
    """Whether each ended at one time, and did not sound for longer than the polled track lasts."""
    return (pairs.distance <= pairs.tolerance) & ~(pairs.ms_played > pairs.duration_ms + _LONGER_MS)


def _is_heard_before_report(pairs: _Candidates) -> np.ndarray:
    """Whether the polled play ended between the end of the row's sound and its report, and can have been so long."""
    is_after_sound = pairs.ended_at - pairs.tolerance <= pairs.played_at
    is_before_report = pairs.played_at <= pairs.closed_at + pairs.tolerance
    return is_after_sound & is_before_report & ~(pairs.ms_played > pairs.duration_ms + _LONGER_MS)


def _paired_otherwise(
    recent: pd.DataFrame,
    exports: pd.DataFrame,
    recent_key: np.ndarray,
    export_key: np.ndarray,
    is_same: Callable[[_Candidates], np.ndarray],
) -> pd.Series:
    """Pairs of equal key that `is_same` allows, nearest ends first: the export row's index by the polled play's."""
    end, close = (epoch_ms(exports[name]) for name in ("ended_at", "closed_at"))
    played_at = epoch_ms(recent["closed_at"])
    left, right = _near(_Times(recent_key, played_at), _Times(export_key, close), _LATEST_REPORT_MS, _LATEST_REPORT_MS)
    candidates = _Candidates(
        distance=np.minimum(np.abs(played_at[left] - end[right]), np.abs(played_at[left] - close[right])),
        played_at=played_at[left],
        duration_ms=recent["duration_ms"].to_numpy(dtype="float64", na_value=np.nan)[left],
        started_at=epoch_ms(exports["started_at"])[right],
        ended_at=end[right],
        closed_at=close[right],
        ms_played=exports["ms_played"].to_numpy()[right],
        tolerance=_tolerance_of(exports)[right],
        is_account=(exports["source"] == "account").to_numpy()[right],
        is_start_told=(exports["start_rule"] == "offline_ts").to_numpy()[right],
    )
    is_pair = is_same(candidates)
    left, right = _one_to_one(left[is_pair], right[is_pair], candidates.distance[is_pair])
    pairs = np.full(len(recent), -1)
    pairs[left] = right
    return _labelled(pairs, recent, exports)


def _tolerance_of(exports: pd.DataFrame) -> np.ndarray:
    return _TOLERANCE_MS + exports["source"].map(_PRECISION_MS).to_numpy(dtype="int64")


def _labelled(pairs: np.ndarray, left: pd.DataFrame, right: pd.DataFrame) -> pd.Series:
    is_paired = pairs >= 0
    return pd.Series(right.index[pairs[is_paired]], index=left.index[is_paired], dtype="int64")


def _common_keys(left: pd.Series, right: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Equal numbers for equal keys; -1, which matches nothing, where there is none."""
    codes, _ = pd.factorize(pd.concat([left, right], ignore_index=True))
    return codes[: len(left)], codes[len(left) :]


def _near(
    left: _Times, right: _Times, before: np.ndarray | int, after: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """The positions of all pairs of equal key whose right lies in [left - before, left + after]."""
    if not len(left.at) or not len(right.at):
        return np.array([], dtype="int64"), np.array([], dtype="int64")
    earliest, latest = left.at - before, left.at + after
    origin = min(earliest.min(), right.at.min())
    span = max(latest.max(), right.at.max()) - origin + 1  # so wide that no window reaches into the next key
    order = np.lexsort((right.at, right.key))
    line = (right.key * span + right.at - origin)[order]
    first = np.searchsorted(line, left.key * span + earliest - origin, side="left")
    stop = np.searchsorted(line, left.key * span + latest - origin, side="right")
    counts = np.where(left.key >= 0, stop - first, 0)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(np.arange(len(left.at)), counts), order[np.repeat(first, counts) + within]


def _one_to_one(left: np.ndarray, right: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of all pairs, those that remain when the nearest is taken first and its two rows are then spoken for.

    Ties go to the earlier left row, then to the earlier right one. A pair that comes first for both of its rows can be
    taken without a look at the others, so that whole rounds of pairs are taken at once.
    """
    order = np.lexsort((right, left, distance))
    left, right = left[order], right[order]
    taken_left, taken_right = [left[:0]], [right[:0]]
    while len(left):
        is_first = _is_first(left) & _is_first(right)
        taken_left.append(left[is_first])
        taken_right.append(right[is_first])
        is_open = ~(_is_among(left, taken_left[-1]) | _is_among(right, taken_right[-1]))
        left, right = left[is_open], right[is_open]
    return np.concatenate(taken_left), np.concatenate(taken_right)


def _is_first(positions: np.ndarray) -> np.ndarray:
    """Whether each is the first of its value."""
    order = np.arange(len(positions))
    first = np.empty(positions.max() + 1, dtype="int64")
    first[positions[::-1]] = order[::-1]  # of several assignments the last one holds
    return first[positions] == order


def _is_among(positions: np.ndarray, others: np.ndarray) -> np.ndarray:
    is_other = np.zeros(max(positions.max(), others.max()) + 1, dtype=bool)
    is_other[others] = True
    return is_other[positions]
