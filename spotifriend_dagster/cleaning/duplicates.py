"""Repeats in exports: rows that are the same play within an export, or in several.

Repeats in polls belong to `recent_repeats.py`; the same play from two sources belongs to `matching.py`.
"""

from __future__ import annotations

import pandas as pd

from spotifriend_dagster.cleaning.time_zones import epoch_ms
from spotifriend_dagster.tables.cleaned import HISTORY_PLAYS

EQUAL_ROW = "equal to another row of the export"
OTHER_EXPORT = "known from another export"
SAME_START = "same start, title and length as another row"

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
