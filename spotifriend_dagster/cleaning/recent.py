"""Pages of recently-played, as typed rows of `recent_plays`: the days of collection of one listener, each on its own.

Which plays other days and exports also hold belongs to `duplicates.py` and `matching.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pandas as pd

from spotifriend_dagster.cleaning.api_fields import unknown_fields
from spotifriend_dagster.cleaning.api_objects import mapping, text, track_facts
from spotifriend_dagster.cleaning.instants import problems_of_instants, read_instants
from spotifriend_dagster.cleaning.media import without_placeholder_names
from spotifriend_dagster.cleaning.payloads import parse_json
from spotifriend_dagster.tables.cleaned import RECENT_PAGES, RECENT_PLAYS, RECENT_REJECTS
from spotifriend_dagster.tables.frames import typed_frame

_WHOLE_PAGE = -1
_NONE = -1


@dataclass(frozen=True)
class CleanedRecent:
    """What became of the polls of some days: typed frames of `recent_plays`, `recent_pages` and `recent_rejects`.

    Every play of a page is rejected, new that day (a row of plays), or a repeat (counted in its `copies`). Rows of a
    day lie together, the days in their order. `unknown_fields` are those that no dialect was known to have, as
    `kind.field`.
    """

    plays: pd.DataFrame
    pages: pd.DataFrame
    rejects: pd.DataFrame
    unknown_fields: frozenset[str]


def clean_recent(raw: pd.DataFrame, now: pd.Timestamp) -> CleanedRecent:
    """Type the plays that the polls of recently-played returned to one listener, day by day of collection.

    A play is known by its `played_at` and its track's URI; the first poll of the day that returned it is the one that
    it comes from. Both dialects of the Web API are read (2026: development mode and extended quota). A local file has a
    URI and names, but no ids. A page that cannot be read is rejected as if it were one play, at its place in the poll.
    What a day gives does not depend on which other days are there.

    Args:
        raw: rows of `raw_recently_played`, with `dt`, the UTC day of collection, and `file`, the raw object's name: one
            object is one poll, one row a page of it; and perhaps `problem`, which says why a row is no answer.
        now: the wall clock, UTC-aware.
    """
    raw = raw.assign(pulled_at=read_instants(raw["pulled_at"]), problem=raw.get("problem"))
    raw["pulled_at"] = raw.groupby(["dt", "file"])["pulled_at"].transform("min")
    raw = raw.sort_values(["dt", "pulled_at", "file", "page"], ignore_index=True)
    raw["poll"] = raw.groupby(["dt", "file"], sort=False).ngroup()
    polls = raw.drop_duplicates("poll").reset_index(drop=True)
    polls["is_damaged"] = raw["problem"].notna().groupby(raw["poll"]).any()
    told = _Told()
    for day, payload, problem in zip(raw["dt"], raw["payload"], raw["problem"], strict=True):
        told.read(day, payload, problem if isinstance(problem, str) else None)
    items, plays = told.items(), told.plays()
    items["poll"] = raw["poll"].to_numpy()[items["answer"]]
    items["row"] = items.groupby("poll").cumcount()

    played_at = read_instants(plays["played_at"])
    problems = problems_of_instants(played_at, plays["played_at"], now).reset_index(drop=True)
    is_a_play = items["play"].to_numpy() != _NONE
    reason = items["reason"].where(~is_a_play, problems.reindex(items["play"]).array)
    is_good = reason.isna()
    # Two texts of one instant (with milliseconds, and without) are one play.
    plays = plays.assign(played_at=played_at)
    plays["same"] = plays.groupby(["dt", "played_at", "track_uri"], sort=False, dropna=False).ngroup()
    good = items.loc[is_good, ["poll", "row"]].assign(
        same=plays["same"].to_numpy()[items.loc[is_good, "play"]],
        played_at=played_at.array[items.loc[is_good, "play"]],
    )
    new = good.drop_duplicates("same").set_index("same")
    plays = without_placeholder_names(plays[problems.isna()].drop_duplicates("same")).set_index("same")
    missing_from = _missing_from(good, polls["file"])
    plays = plays.assign(
        collected_on=_days(plays["dt"]),
        page=polls["file"].reindex(new["poll"].reindex(plays.index)).array,
        row=new["row"],
        copies=good.groupby("same").size(),
        last_page=polls["file"].reindex(good.groupby("same")["poll"].last().reindex(plays.index)).array,
        missing_from=pd.Series({same: missing_from.get(same) for same in plays.index}, dtype="object"),
    )
    return CleanedRecent(
        plays=typed_frame(plays, RECENT_PLAYS),
        pages=typed_frame(_pages(polls, items, good, new), RECENT_PAGES),
        rejects=typed_frame(_rejects(raw, items.assign(reason=reason)[~is_good]), RECENT_REJECTS),
        unknown_fields=frozenset(told.unknown_fields),
    )


def _days(dt: pd.Series) -> pd.Series:
    return pd.to_datetime(dt, format="%Y-%m-%d").astype("datetime64[s]")


def _missing_from(good: pd.DataFrame, files: pd.Series) -> dict[int, list[str]]:
    """By play, the pages that held plays, but not it, between the first and the last that did; only where there are."""
    held = good.drop_duplicates(["same", "poll"])
    polls = np.unique(held["poll"])
    at = pd.Series(np.searchsorted(polls, held["poll"]), index=held["same"])
    spans = at.groupby(level=0).agg(["min", "max", "size"])
    return {
        same: files[polls[sorted({*range(first, last)} - {*at[[same]]})]].tolist()
        for same, first, last, size in spans.itertuples()
        if last - first >= size
    }


def _pages(polls: pd.DataFrame, items: pd.DataFrame, good: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    rows = items.groupby("poll").size()
    times = good.groupby("poll")["played_at"]
    pages = pd.DataFrame({"collected_on": _days(polls["dt"]), "page": polls["file"]})
    pages = pages.assign(
        pulled_at=polls["pulled_at"],
        is_damaged=polls["is_damaged"],
        rows=rows,
        rejected_rows=rows.sub(times.size(), fill_value=0),
        new_rows=new.groupby("poll").size(),
        oldest_played_at=times.min(),
        newest_played_at=times.max(),
    )
    return pages.fillna({"rows": 0, "rejected_rows": 0, "new_rows": 0})


def _rejects(raw: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    answers = raw.iloc[items["answer"]]
    payloads = zip(answers["payload"], items["place"], strict=True)
    return items.assign(
        origin=answers["dt"].array,
        file=answers["file"].array,
        payload=[_received(payload, place) for payload, place in payloads],
    )


@dataclass
class _Told:
    """What answers say, in their order: every item, and every play once a day, however many answers repeat it."""

    _day: str | None = None
    _seen: dict[tuple[str | None, str], int] = field(default_factory=dict)
    _plays: list[dict[str, Any]] = field(default_factory=list)
    _answers: int = 0
    _answer: list[int] = field(default_factory=list)
    _place: list[int] = field(default_factory=list)
    _play: list[int] = field(default_factory=list)
    _reason: list[str | None] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)

    def read(self, day: str, payload: str, problem: str | None) -> None:
        """Take in an answer; a page as such has the place -1."""
        if day != self._day:
            self._day, self._seen = day, {}
        try:
            answer = None if problem else parse_json(payload)
        except ValueError:
            problem = "page is not readable as JSON"
        if problem:
            self._add(_WHOLE_PAGE, problem)
        else:
            items = answer.get("items") if isinstance(answer, dict) else None
            if isinstance(items, list):
                self.unknown_fields |= unknown_fields(mapping(answer) | {"items": None}, "recently_played")
                for place, item in enumerate(items):
                    self._add(place, self._play_of(item))
            else:
                self._add(_WHOLE_PAGE, "page has no list of plays")
        self._answers += 1

    def items(self) -> pd.DataFrame:
        """By item: the number of its answer, its place there, the number of its play, or the reason why it is none."""
        return pd.DataFrame(
            {
                "answer": np.array(self._answer, dtype="int64"),
                "place": np.array(self._place, dtype="int64"),
                "play": np.array(self._play, dtype="int64"),
                "reason": pd.Series(self._reason, dtype="str"),
            }
        )

    def plays(self) -> pd.DataFrame:
        """By play: `dt` and what the first answer of the day that holds it says, `played_at` as its text."""
        return pd.DataFrame(self._plays, columns=["dt", *_TOLD]).astype(dict.fromkeys(("dt", *_TEXTS), "str"))

    def _add(self, place: int, play: int | str) -> None:
        self._answer.append(self._answers)
        self._place.append(place)
        self._play.append(play if isinstance(play, int) else _NONE)
        self._reason.append(play if isinstance(play, str) else None)

    def _play_of(self, item: Any) -> int | str:
        """The number of the item's play, or the reason why it is none."""
        if not isinstance(item, dict):
            return "no play"
        track = item.get("track") or item.get("item")
        if not isinstance(track, dict):
            return "no track"
        if track.get("type") == "episode":
            return "an episode, not a track"
        uri = text(track.get("uri"))
        if uri is None:
            return "no track URI"
        key = text(item.get("played_at")), uri
        number = self._seen.get(key)
        if number is None:
            number = self._seen[key] = len(self._plays)
            self.unknown_fields |= unknown_fields(item, "play")
            context_uri = text(mapping(item.get("context")).get("uri"))
            facts = {"dt": self._day, "played_at": key[0], "track_uri": uri, "context_uri": context_uri}
            self._plays.append(facts | track_facts(track))
        return number


_TEXTS = ("played_at", "track_uri", "track_name", "artist_name", "album_name", "isrc", "context_uri")
_TOLD = (*_TEXTS, "artist_ids", "artist_names", "duration_ms")


def _received(payload: str, place: int) -> str:
    """What was received at that place. It is read again, so that nothing is kept of the many that are good."""
    return payload if place == _WHOLE_PAGE else orjson.dumps(parse_json(payload)["items"][place]).decode()
