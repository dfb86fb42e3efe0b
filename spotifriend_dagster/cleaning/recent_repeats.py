"""What polls say again: plays that the polls of several days hold, and plays that Spotify has dated anew.

Repeats in exports belong to `duplicates.py`; what polls and exports both hold belongs to `matching.py`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.starts import SHORTEST_POLLED_MS

OTHER_DAY = "known from another day's polls"
OTHER_DATE = "reported before, under another date"
PAGE_PLAYS = 50
"""Spotify keeps the last 50 plays: a page of fewer is all that there is."""

_SHORTEST_POLLED = pd.Timedelta(milliseconds=SHORTEST_POLLED_MS)


def repeated_recent(recent: pd.DataFrame, pages: pd.DataFrame) -> pd.Series:
    """Why each row of `recent_plays` is a repeat; null for the rows that stay: the first report of each play.

    1. Rows of equal `played_at` and track are one report, told by the polls of several days.
    2. Reports of one track less than 30 s apart are one play under two dates: a play is listed after 30 s of sound, so
       that two cannot end so close.
    3. A play that a page no longer holds, though it reaches back beyond it, has got another date where the same page is
       the first to hold another report of its track: the nearest in time, one to one. The page is held against the
       last one before it that told anything new. What one page holds side by side is never one play.

    Only which page was the first to tell a report, and which reports pages hold together, decides: so a page that is
    told again later, be it out of turn, changes nothing.

    Args:
        recent: one listener's rows of all days of collection, with a unique index.
        pages: `recent_pages` of the same days.
    """
    rows = recent[["played_at", "track_uri", "collected_on", "page", "row", "last_page", "missing_from"]]
    rows = rows.sort_values(["played_at", "track_uri", "collected_on", "page", "row"])
    polls = pages.sort_values(["pulled_at", "page"], ignore_index=True)
    is_again = rows.duplicated(["played_at", "track_uri"])
    stretches = _stretches(rows.assign(report=(~is_again).cumsum().to_numpy() - 1), polls)
    reports = rows.loc[~is_again, ["played_at", "track_uri"]].reset_index(names="place")
    reports["first"] = stretches.groupby("report")["begin"].min()
    reports["play"] = _plays_by_closeness(reports)
    reports["play"] = reports["play"].replace(_dated_anew(reports, stretches, polls))
    as_told = reports.sort_values(["first", "played_at"])

    reason = pd.Series(index=recent.index, dtype="str", name="reason")
    reason.loc[rows.index[is_again]] = OTHER_DAY
    reason.loc[as_told.loc[as_told.duplicated("play"), "place"]] = OTHER_DATE
    return reason


def _stretches(rows: pd.DataFrame, polls: pd.DataFrame) -> pd.DataFrame:
    """By report, from which poll to which the pages held it without a break: report, begin, end; places in `polls`."""
    place = pd.Series(polls.index, index=pd.MultiIndex.from_frame(polls[["collected_on", "page"]]))

    def places(of: pd.DataFrame, page: str) -> np.ndarray:
        return place.reindex(pd.MultiIndex.from_frame(of[["collected_on", page]])).to_numpy(dtype="int64")

    rows = rows.reset_index(drop=True)
    broken = rows.loc[rows["missing_from"].notna(), ["report", "collected_on", "missing_from"]].explode("missing_from")
    breaks = places(broken, "missing_from")
    row = np.concatenate([rows.index, broken.index])
    begins = np.concatenate([places(rows, "page"), breaks + 1])
    ends = np.concatenate([places(rows, "last_page"), breaks - 1])
    by_begin, by_end = np.lexsort((begins, row)), np.lexsort((ends, row))
    report = rows["report"].to_numpy()[row[by_begin]]
    stretches = pd.DataFrame({"report": report, "begin": begins[by_begin], "end": ends[by_end]})
    return stretches[stretches["begin"] <= stretches["end"]]


def _plays_by_closeness(reports: pd.DataFrame) -> pd.Series:
    in_time = reports.sort_values(["track_uri", "played_at"])
    is_apart = in_time["played_at"].diff() >= _SHORTEST_POLLED
    return (is_apart | (in_time["track_uri"] != in_time["track_uri"].shift())).cumsum()


def _dated_anew(reports: pd.DataFrame, stretches: pd.DataFrame, polls: pd.DataFrame) -> dict[int, int]:
    """By play that is another one under another date, that other one."""
    pairs = _vanished(reports, stretches, polls).merge(reports, on=["track_uri", "first"], suffixes=("_before", ""))
    pairs["distance"] = (pairs["played_at"] - pairs["played_at_before"]).abs()
    pairs["is_new"] = pairs["first"] == pairs["play"].map(reports.groupby("play")["first"].min())
    pairs = pairs.sort_values(["first", "distance", "played_at", "played_at_before"])
    among = reports["play"].isin(pairs[["play_before", "play"]].to_numpy().ravel())
    held: dict[int, list[tuple[int, int]]] = {}
    for report, begin, end in stretches[among.reindex(stretches["report"]).to_numpy()].itertuples(index=False):
        held.setdefault(reports["play"][report], []).append((begin, end))
    same: dict[int, int] = {}
    settled: set[tuple[int, int]] = set()
    for page, before, play, is_new in pairs[["first", "play_before", "play", "is_new"]].itertuples(index=False):
        one = same.get(before, before)
        if {(page, one), (page, play)} & settled or (is_new and _are_side_by_side(held[one], held[play])):
            continue
        settled |= {(page, one), (page, play)}
        if is_new and one != play:
            same[play] = one
            held[one] += held[play]
    return same


def _vanished(reports: pd.DataFrame, stretches: pd.DataFrame, polls: pd.DataFrame) -> pd.DataFrame:
    """Reports, each with a page that told something new (`first`) and lacks it, though the one before had it."""
    telling = np.unique(reports["first"])
    begin = np.searchsorted(telling, stretches["begin"], side="left")
    end = np.searchsorted(telling, stretches["end"], side="right") - 1
    held = pd.DataFrame({"report": stretches["report"].to_numpy(), "begin": begin, "end": end})
    held = held[(begin <= end) & (end + 1 < len(telling))].sort_values(["report", "begin"])
    is_held_on = (held["report"] == held["report"].shift(-1)) & (held["begin"].shift(-1) == held["end"] + 1)
    held = held[~is_held_on]
    vanished = reports.loc[held["report"], ["track_uri", "played_at", "play"]].assign(first=telling[held["end"] + 1])
    page = polls.loc[vanished["first"]].set_axis(vanished.index)
    reaches_back = (page["rows"] < PAGE_PLAYS) | (page["oldest_played_at"] < vanished["played_at"])
    return vanished[reaches_back & (page["rejected_rows"] == 0)]


def _are_side_by_side(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> bool:
    return any(begin <= other_end and other_begin <= end for begin, end in one for other_begin, other_end in other)
