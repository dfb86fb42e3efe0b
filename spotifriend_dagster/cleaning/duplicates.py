"""One source's repeats of itself: rows that are the same play within an export, in several exports, on several days.

The same play from two sources belongs to `matching.py`.
"""

from __future__ import annotations

import pandas as pd

from spotifriend_dagster.cleaning.starts import SHORTEST_POLLED_MS
from spotifriend_dagster.cleaning.time_zones import epoch_ms
from spotifriend_dagster.tables.cleaned import HISTORY_PLAYS

EQUAL_ROW = "equal to another row of the export"
OTHER_EXPORT = "known from another export"
SAME_START = "same start, title and length as another row"
OTHER_DAY = "known from another day's polls"
OTHER_DATE = "reported before, under another date"
PAGE_PLAYS = 50
"""Spotify keeps the last 50 plays: a page of fewer is all that there is."""

_SHORTEST_POLLED = pd.Timedelta(milliseconds=SHORTEST_POLLED_MS)

# What a row says of the play. Where it was found is no part of that, and `is_video` tells only the name of its file.
_FIELDS = [name for name in HISTORY_PLAYS.column_names if name not in ("export", "file", "row", "is_video")]
_IDENTITY = ["source", "ts", "identity", "ms_played"]
_BETWEEN_NAMES = "\x1f"


def identity_of(rows: pd.DataFrame) -> pd.Series:
    """What was played, as one text: its URI, or else its names; empty where neither is known."""
    uri = _uri_of(rows)
    return uri.fillna(names_of(rows[uri.isna()])).rename("identity")


def names_of(rows: pd.DataFrame) -> pd.Series:
    """Title and by whom (artist or show), as one text; empty where neither is known."""
    title = rows["track_name"].fillna(rows["episode_name"]).fillna(rows["audiobook_title"]).fillna("")
    by_whom = rows["artist_name"].fillna(rows["show_name"]).fillna("")
    return (title + _BETWEEN_NAMES + by_whom).where((title != "") | (by_whom != ""), "")


def repeated_history(history: pd.DataFrame) -> pd.Series:
    """Why each row of `history_plays` is a repeat, in a few words; null for the rows that stay (docs/metrics.md).

    1. Within one export, rows equal in every field are one play.
    2. Exports are united with the highest multiplicity of any: of all rows of one `ts`, URI (or else names) and
       ms_played, those of one export stay. It is the export that has most of them; of several, the one whose rows say
       most; of several, the one that has most rows in all, so that a fragment never displaces the whole. Where even
       that is equal, what the rows say decides, and not the name of the export.
    3. Of rows of equal `offline_timestamp` (in seconds), URI and ms_played the earliest stays. This holds across
       exports too, for a fragment may have the later one only.

    Which plays stay depends neither on the order of rows nor on how an export is split into files.

    Args:
        history: one listener's rows of all exports, with a unique index.
    """
    rows = _suspects(history)
    equal = _equal_rows(rows, history)
    export_rows = history["export"].value_counts().sub(rows.loc[equal, "export"].value_counts(), fill_value=0)
    rows = rows.drop(equal)
    from_other_export = _from_other_export(rows, history, export_rows)
    rows = rows.drop(from_other_export)
    reason = pd.Series(index=history.index, dtype="str", name="reason")
    reason.loc[equal] = EQUAL_ROW
    reason.loc[from_other_export] = OTHER_EXPORT
    reason.loc[_of_same_start(rows, history)] = SAME_START
    return reason


def repeated_recent(recent: pd.DataFrame, pages: pd.DataFrame) -> pd.Series:
    """Why each row of `recent_plays` is a repeat; null for the rows that stay: the first report of each play.

    1. Rows of equal `played_at` and track are one play, told by the polls of several days.
    2. Reports of one track less than 30 s apart are one play under two dates: a play is listed after 30 s of sound, so
       that two cannot end so close.
    3. A report that a page no longer holds, though it reaches back beyond it, has got another date where the same page
       is the first to hold another report of the track: the nearest in time.

    Args:
        recent: one listener's rows of all days of collection, with a unique index.
        pages: `recent_pages` of the same days.
    """
    reports = recent[["played_at", "track_uri", "collected_on", "page", "row", "last_page"]]
    reports = reports.sort_values(["played_at", "track_uri", "collected_on", "page", "row"])
    reason = pd.Series(index=recent.index, dtype="str", name="reason")
    reason.loc[reports.index[reports.duplicated(["played_at", "track_uri"])]] = OTHER_DAY

    polls = pages.sort_values(["pulled_at", "page"], ignore_index=True)
    play = reports.groupby(["played_at", "track_uri"], sort=False).ngroup()
    reports["first"] = _numbers(polls, reports, "page").groupby(play).transform("min")
    reports["last"] = _numbers(polls, reports, "last_page").groupby(play).transform("max")
    reports = reports[reason[reports.index].isna()]
    reason.loc[_too_close(reports).union(_instead_of_another(reports, polls))] = OTHER_DATE
    return reason


def _numbers(polls: pd.DataFrame, reports: pd.DataFrame, page: str) -> pd.Series:
    """Each report's poll, as its place among all polls."""
    numbers = pd.Series(polls.index, index=pd.MultiIndex.from_frame(polls[["collected_on", "page"]]))
    return pd.Series(numbers.reindex(pd.MultiIndex.from_frame(reports[["collected_on", page]])).array, reports.index)


def _too_close(reports: pd.DataFrame) -> pd.Index:
    in_time = reports.sort_values(["track_uri", "played_at"])
    is_apart = in_time["played_at"].diff() >= _SHORTEST_POLLED
    play = (is_apart | (in_time["track_uri"] != in_time["track_uri"].shift())).cumsum()
    as_told = in_time.assign(play=play).sort_values(["first", "played_at"])
    return as_told.index[as_told.duplicated("play")]


def _instead_of_another(reports: pd.DataFrame, polls: pd.DataFrame) -> pd.Index:
    at_next = polls[["rows", "rejected_rows", "oldest_played_at"]].reindex(reports["last"] + 1).set_axis(reports.index)
    reaches_back = (at_next["rows"] < PAGE_PLAYS) | (at_next["oldest_played_at"] < reports["played_at"])
    vanished = reports[reaches_back & (at_next["rows"] > 0) & (at_next["rejected_rows"] == 0)]
    vanished = vanished.assign(poll=vanished["last"] + 1)[["track_uri", "poll", "played_at"]].reset_index()
    appeared = reports[["track_uri", "first", "played_at"]].rename(columns={"first": "poll"}).reset_index()
    pairs = vanished.merge(appeared, on=["track_uri", "poll"], suffixes=("_before", ""))
    pairs["distance"] = (pairs["played_at"] - pairs["played_at_before"]).abs()
    pairs = pairs.sort_values(["distance", "played_at"])
    return pd.Index(pairs.drop_duplicates("index").drop_duplicates("index_before")["index"])


def _suspects(history: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be repeats by their times and lengths, which are quick to compare, with what tells them apart.

    In the order in which a row is preferred to one that says the same: videos first, because only their file tells.
    """
    offline_s = pd.Series(epoch_ms(history["offline_at"]) // 1000, index=history.index)
    numbers = pd.DataFrame(
        {
            "ts": epoch_ms(history["ts"]),
            "ms_played": history["ms_played"],
            "offline_s": offline_s.where(history["offline_at"].notna()),
        },
        index=history.index,
    )
    is_suspect = numbers.duplicated(["ts", "ms_played"], keep=False)
    is_suspect |= numbers["offline_s"].notna() & numbers.duplicated(["offline_s", "ms_played"], keep=False)
    suspects = history[is_suspect]
    rows = suspects[["is_video", "export", "file", "row", "source"]].join(numbers[is_suspect])
    return rows.assign(
        identity=identity_of(suspects),
        has_uri=_uri_of(suspects).notna(),
        filled=suspects[_FIELDS].notna().sum(axis="columns"),
    ).sort_values(["is_video", "export", "file", "row"], ascending=[False, True, True, True])


def _equal_rows(rows: pd.DataFrame, history: pd.DataFrame) -> pd.Index:
    alike = history.loc[rows.index[rows.duplicated(["export", *_IDENTITY], keep=False)], ["export", *_FIELDS]]
    return alike.index[alike.duplicated()]


def _from_other_export(rows: pd.DataFrame, history: pd.DataFrame, export_rows: pd.Series) -> pd.Index:
    if rows["export"].nunique() < 2:
        return rows.index[:0]
    identity = rows.groupby(_IDENTITY, sort=False).ngroup()
    alike = export_rows.index[export_rows.duplicated(keep=False)]
    of_alike = history.loc[rows.index[rows["export"].isin(alike)], _FIELDS]
    said = pd.util.hash_pandas_object(of_alike, index=False).reindex(rows.index, fill_value=0)
    by_version = rows.assign(identity=identity, said=said).groupby(["identity", "export"], sort=False, as_index=False)
    versions = by_version.agg(rows=("filled", "size"), filled=("filled", "sum"), said=("said", "sum"))
    versions["export_rows"] = versions["export"].map(export_rows)
    preferred = ["rows", "filled", "export_rows", "said"]
    best = versions.sort_values(preferred, ascending=False).drop_duplicates("identity")
    best_export = best.set_index("identity")["export"]
    return rows.index[rows["export"] != best_export.reindex(identity).set_axis(rows.index)]


def _of_same_start(rows: pd.DataFrame, history: pd.DataFrame) -> pd.Index:
    start = ["offline_s", "identity", "ms_played"]
    rows = rows[rows["offline_s"].notna() & rows["has_uri"]]
    alike = rows[rows.duplicated(start, keep=False)]
    # What a row says decides between those of one ts, so that its place in a file does not.
    alike = alike.loc[history.loc[alike.index, _FIELDS].sort_values(_FIELDS, kind="stable").index]
    alike = alike.sort_values(["ts", "filled"], ascending=[True, False], kind="stable")
    return alike.index[alike.duplicated(start)]


def _uri_of(rows: pd.DataFrame) -> pd.Series:
    return rows["track_uri"].fillna(rows["episode_uri"]).fillna(rows["audiobook_uri"])
