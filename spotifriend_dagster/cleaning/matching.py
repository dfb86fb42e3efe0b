"""The same play from two sources, paired one to one: account data with the extended history, polls with exports.

Repeats within one source belong to `duplicates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.duplicates import identity_of, names_of
from spotifriend_dagster.cleaning.recordings import normalised
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
    extended = extended[_is_within_a_day(extended, epoch_ms(account["closed_at"]))]
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

    By the same track URI; what is left by the same ISRC; what is left by the same normalised title and primary artist.
    Their ends lie within 10 s plus the coarser precision (by `ended_at` or `ts`), or the plays overlap; the smallest
    distance is paired first, and of equal ones that of the earlier play.

    Args:
        recent: rows of `recent_plays` with their start times, without repeats, in order of played_at.
        exports: rows of `history_plays` with their start times and what is known of their ISRC, without repeats and
            superseded rows, in canonical order, with a unique index.

    Returns:
        The index of the export's row, by the index of `recent`; null where no row is the same play.
    """
    matched = pd.Series(pd.NA, index=recent.index, dtype="Int64")
    played_at = epoch_ms(recent["closed_at"])
    exports = exports[_is_within_a_day(exports, played_at)]
    for key in (_by_uri, _by_isrc, _by_names):
        left = recent[matched.isna()]
        right = exports[~exports.index.isin(matched)]
        pairs = _paired_by_time(left, right, *_common_keys(key(left), key(right)))
        matched[pairs.index] = pairs
    return matched


def _by_uri(rows: pd.DataFrame) -> pd.Series:
    return rows["track_uri"]


def _by_isrc(rows: pd.DataFrame) -> pd.Series:
    return rows["isrc"]


def _by_names(rows: pd.DataFrame) -> pd.Series:
    return normalised(rows["track_name"]) + "\n" + normalised(rows["artist_name"])


def _is_within_a_day(rows: pd.DataFrame, instants_ms: np.ndarray) -> np.ndarray:
    """Which rows start or end at most a day outside of the span of `instants_ms`: others cannot be paired."""
    if not len(instants_ms):
        return np.zeros(len(rows), dtype=bool)
    starts, ends, closes = (epoch_ms(rows[name]) for name in ("started_at", "ended_at", "closed_at"))
    earliest, latest = instants_ms.min() - _DAY_MS, instants_ms.max() + _DAY_MS
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
    tolerance = _TOLERANCE_MS + exports["source"].map(_PRECISION_MS).to_numpy(dtype="int64")
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
