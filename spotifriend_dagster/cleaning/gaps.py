"""Where plays may be missing between polls: gaps, told by the pages alone, and what exports close of them.

How much of each day is known follows from it in `insights/listening_coverage.sql`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spotifriend_dagster.cleaning.recent_repeats import PAGE_PLAYS
from spotifriend_dagster.tables.cleaned import LISTENING_GAPS
from spotifriend_dagster.tables.frames import typed_frame

LATE = pd.Timedelta(hours=2)
_SILENCES = {"extended": pd.Timedelta(days=30), "account": pd.Timedelta(days=14)}


def listening_gaps(pages: pd.DataFrame, reports: pd.DataFrame, stretches: pd.DataFrame) -> pd.DataFrame:
    """Every interruption of the chain of polls (docs/metrics.md, "Completeness").

    A page proves that nothing is missing when it holds fewer than the 50 plays that Spotify keeps, or when its oldest
    play was known before, be it under another date. A late-arriving play among known ones is no gap. As the oldest of a
    full page it is one, wherever it lies: others as late may have been pushed out behind it.

    Args:
        pages: one listener's `recent_pages`, all of them.
        reports: the rows of `recent_plays` that are no repeats, each with the page that was the first to hold it.
        stretches: what exports cover, as `covered_stretches` gives it.

    Returns:
        A typed frame of `listening_gaps`.
    """
    polls = pages.sort_values(["pulled_at", "page"], ignore_index=True)
    before = polls.shift()
    newest_before = polls["newest_played_at"].cummax().shift()
    oldest = pd.MultiIndex.from_frame(polls[["collected_on", "page", "oldest_played_at"]])
    is_oldest_new = oldest.isin(pd.MultiIndex.from_frame(reports[["collected_on", "page", "played_at"]]))
    is_apart = (polls["rows"] >= PAGE_PLAYS) & newest_before.notna() & is_oldest_new
    is_late = polls["pulled_at"] - before["pulled_at"] > LATE
    known_before = _newest_known_before(polls[is_apart], polls, reports)
    gaps = pd.DataFrame(
        {
            "page": polls["page"],
            "kind": pd.Series(np.where(is_apart, "pages_apart", "poll_late"), dtype="str"),
            "starts_at": known_before.reindex(polls.index).where(is_apart, before["pulled_at"]),
            "ends_at": polls["oldest_played_at"].where(is_apart, polls["pulled_at"]),
            "pulled_before": before["pulled_at"],
            "pulled_at": polls["pulled_at"],
        }
    )
    gaps = gaps[is_apart | is_late]
    return typed_frame(_with_what_is_open(gaps, stretches), LISTENING_GAPS)


def covered_stretches(files: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """What exports cover, in order and apart from each other: starts_at and ends_at, UTC.

    The files of one extended export belong together unless more than 30 days lie between two (a file may be missing
    there); so do the rows of an account-data export unless more than 14 days do (such exports have stray first rows).

    Args:
        files: one listener's `history_files`.
        history: the listener's `history_plays`.
    """
    extended = files[(files["source"] == "extended") & files["first_ts"].notna()]
    account = history[history["source"] == "account"]
    spans = [
        _chained(rows[first], rows[last], _SILENCES[source])
        for source, of_source, first, last in (
            ("extended", extended, "first_ts", "last_ts"),
            ("account", account, "ts", "ts"),
        )
        for _, rows in of_source.groupby("export")
    ]
    if not spans:
        return pd.DataFrame({"starts_at": files["first_ts"][:0], "ends_at": files["last_ts"][:0]})
    every = pd.concat(spans)
    return _chained(every["starts_at"], every["ends_at"], pd.Timedelta(0))


def _chained(starts_at: pd.Series, ends_at: pd.Series, silence: pd.Timedelta) -> pd.DataFrame:
    """The spans, joined where at most `silence` lies between two."""
    spans = pd.DataFrame({"starts_at": starts_at, "ends_at": ends_at}).sort_values(["starts_at", "ends_at"])
    stretch = (spans["starts_at"] > spans["ends_at"].cummax().shift() + silence).cumsum()
    return spans.groupby(stretch).agg({"starts_at": "min", "ends_at": "max"}).reset_index(drop=True)


def _newest_known_before(gaps: pd.DataFrame, polls: pd.DataFrame, reports: pd.DataFrame) -> pd.Series:
    """For each page, the newest play that earlier pages told and that is older than all that it holds."""
    number = pd.Series(polls.index, index=pd.MultiIndex.from_frame(polls[["collected_on", "page"]]))
    first = number.reindex(pd.MultiIndex.from_frame(reports[["collected_on", "page"]])).to_numpy()
    played_at = reports["played_at"]
    return pd.Series(
        [
            played_at[(first < place) & (played_at < oldest).to_numpy()].max()
            for place, oldest in gaps["oldest_played_at"].items()
        ],
        index=gaps.index,
        dtype=polls["pulled_at"].dtype,
    ).fillna(gaps["oldest_played_at"])


def _with_what_is_open(gaps: pd.DataFrame, stretches: pd.DataFrame) -> pd.DataFrame:
    open_from = _reached(gaps["starts_at"], stretches, "ends_at")
    open_until = _reached(gaps["ends_at"], stretches, "starts_at")
    is_open = (gaps["kind"] == "pages_apart") & (open_from < open_until)
    return gaps.assign(is_open=is_open, open_from=open_from.where(is_open), open_until=open_until.where(is_open))


def _reached(instants: pd.Series, stretches: pd.DataFrame, side: str) -> pd.Series:
    """The named side of the stretch that holds each instant; the instant itself where none does."""
    place = np.searchsorted(stretches["starts_at"], instants, side="right") - 1
    stretch = stretches.reindex(place).set_axis(instants.index)
    return stretch[side].where(instants <= stretch["ends_at"], instants)
