"""`python -m bench.completeness`: the figures of docs/correctness.md, over simulated years whose truth is known.

What is counted is said in that page. Arguments are the seeds of the listeners (default: 1 2 3).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from spotifriend_dagster.cleaning.history import CleanedHistory, clean_history
from spotifriend_dagster.cleaning.plays import UnitedPlays, unite_plays
from spotifriend_dagster.cleaning.recent import CleanedRecent, clean_recent
from spotifriend_dagster.cleaning.time_zones import ZoneHistory
from spotifriend_dagster.demo.exports import Era, write_export
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.polls import answers_at, polled_plays
from spotifriend_dagster.sources.exports import read_export

Answers = Iterable[tuple[pd.Timestamp, dict[str, Any]]]
_ERAS: tuple[Era, ...] = ("endsong", "2025", "account", "both")


@dataclass(frozen=True)
class Told:
    """One simulated listener, as far as exports and polls tell: united, each play with the event that it was.

    `plays` has the columns of `plays` and `event`, the index in `truth.events`. `told` are the events that any source
    told; `polled` those that a poll did, and `pollable` those that the Web API knew of by the last poll, as rows of
    `polled_plays`.
    """

    truth: Truth
    united: UnitedPlays
    plays: pd.DataFrame
    told: set[int]
    polled: set[int]
    pollable: pd.DataFrame


def hourly(truth: Truth, outages: int = 0) -> pd.DatetimeIndex:
    """The instants of hourly polls over the whole truth, less so many random outages of two hours to five days."""
    rng = np.random.default_rng([truth.seed, 6])
    instants = pd.date_range(truth.events["started_at"].min().ceil("h"), truth.end.ceil("h"), freq="h")
    is_polled = np.full(len(instants), True)
    for first in rng.integers(1, len(instants) - 1, outages):
        is_polled[first : first + int(np.exp(rng.uniform(np.log(2), np.log(120))))] = False
    return instants[is_polled]


def tell(
    truth: Truth, answers: Answers, era: Era | None = None, cutoff: pd.Timestamp | None = None, redated_ms: int = 0
) -> Told:
    """Clean and unite what polls and an export say of a truth.

    Args:
        truth: what really happened.
        answers: what recently-played answered, and when.
        era: the form of the export; None for no export.
        cutoff: the export's instant, UTC; by default the end.
        redated_ms: how far from its true time any report may be dated; reports are told by that.
    """
    recent, (history, origin) = cleaned_polls(answers, truth.end), cleaned_export(truth, era, cutoff)
    united = unite_plays(
        history=history.plays,
        history_files=history.files,
        history_rejects=history.rejects,
        recent=recent.plays,
        recent_pages=recent.pages,
        recent_rejects=recent.rejects,
        zones=ZoneHistory(truth.zones),
        include_private=False,
    )
    pollable = polled_plays(truth).assign(track_uri=lambda of: truth.catalogue.releases["uri"].to_numpy()[of["shown"]])
    polled = events_of_reports(recent.plays, pollable, redated_ms)
    of_rows = united.plays.merge(origin, on=["file", "row"], how="left")["event"]
    is_polled = (united.plays["source"] == "recent").to_numpy()
    reports = united.plays.loc[is_polled, ["closed_at", "track_uri"]].rename(columns={"closed_at": "played_at"})
    of_rows[is_polled] = events_of_reports(reports, pollable, redated_ms).to_numpy()
    return Told(
        truth=truth,
        united=united,
        plays=united.plays.assign(event=of_rows.astype("int64")),
        told={*origin["event"], *polled},
        polled=set(polled),
        pollable=pollable[pollable["known_at"] <= recent.pages["pulled_at"].max()],
    )


def cleaned_polls(answers: Answers, now: pd.Timestamp) -> CleanedRecent:
    """The answers, stored and cleaned."""

    def rows() -> Iterator[dict[str, Any]]:
        for at, answer in answers:
            instant = f"{at:%Y-%m-%dT%H:%M:%S.000Z}"
            file = f"{at:%Y%m%dT%H%M%S000Z}.jsonl.gz"
            payload = orjson.dumps(answer).decode()
            yield {
                "dt": instant[:10],
                "file": file,
                "pulled_at": instant,
                "endpoint": "",
                "page": 0,
                "payload": payload,
            }

    columns = ["dt", "file", "pulled_at", "endpoint", "page", "payload"]
    return clean_recent(pd.DataFrame(rows(), columns=columns).astype(dict.fromkeys(columns[:4], "str")), now)


def cleaned_export(truth: Truth, era: Era | None, cutoff: pd.Timestamp | None) -> tuple[CleanedHistory, pd.DataFrame]:
    """An export of the truth, cleaned; and by file and row, the event that it is of."""
    columns = ["export", "file", "row", "payload", "problem"]
    if era is None:
        raw = pd.DataFrame(columns=columns).astype({"row": "int64"} | dict.fromkeys(set(columns) - {"row"}, "str"))
        return clean_history(raw, truth.end), pd.DataFrame(columns=["file", "row", "event"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        origin = write_export(truth, path, era, cutoff)
        export = read_export(path)
        rows = [row | {"file": file.name.rsplit("/", 1)[-1]} for file in export.files for row in file.rows()]
    raw = pd.DataFrame(rows).assign(export=export.sha256)
    origin = origin.assign(file=origin["file"].str.rsplit("/", n=1).str[-1])
    return clean_history(raw[columns], truth.end), origin[["file", "row", "event"]]


def events_of_reports(reports: pd.DataFrame, pollable: pd.DataFrame, redated_ms: int = 0) -> pd.Series:
    """The event of each report: that of its track whose true report is nearest, and within `redated_ms`."""
    reports = reports[["played_at", "track_uri"]].reset_index(names="report").sort_values("played_at")
    told = pollable[["played_at", "track_uri", "event"]].sort_values("played_at")
    told = told.astype({"played_at": reports["played_at"].dtype})
    tolerance = pd.Timedelta(milliseconds=redated_ms)
    events = pd.merge_asof(reports, told, on="played_at", by="track_uri", direction="nearest", tolerance=tolerance)
    return events.set_index("report")["event"].sort_index().astype("int64")


def twice(told: Told) -> list[int]:
    """Events that are more than one play."""
    return sorted(told.plays.loc[told.plays["event"].duplicated(), "event"].unique())


def lost(told: Told) -> list[int]:
    """Events that a source told and that are no play."""
    return sorted(told.told - set(told.plays["event"]))


def missed(told: Told) -> pd.DataFrame:
    """Plays that the Web API knew of and that no poll returned, though they were told since the first of them.

    `is_told_late`: it was told over an hour after its end, so that it could be behind 50 newer ones from the start.
    """
    known_at = told.pollable["known_at"]
    first = known_at[told.pollable["event"].isin(told.polled)].min()
    gone = told.pollable[~told.pollable["event"].isin(told.polled) & (known_at >= first)]
    return gone.assign(is_told_late=gone["known_at"] - gone["played_at"] > pd.Timedelta(hours=1))


def is_within_a_gap(plays: pd.DataFrame, told: Told) -> pd.Series:
    """Whether each play of `polled_plays` lies in a gap in which plays may be missing."""
    gaps = told.united.listening_gaps.query("kind == 'pages_apart'")
    within = [((gaps["starts_at"] <= at) & (at <= gaps["ends_at"])).any() for at in plays["played_at"]]
    return pd.Series(within, index=plays.index, dtype=bool)


def false_gaps(told: Told) -> pd.DataFrame:
    """Gaps in which nothing was missed: their page happens to begin with the very next play."""
    gone = missed(told)["played_at"]
    gaps = told.united.listening_gaps.query("kind == 'pages_apart'")
    spans = zip(gaps["starts_at"], gaps["ends_at"], strict=True)
    return gaps[[not ((starts_at <= gone) & (gone <= ends_at)).any() for starts_at, ends_at in spans]]


def right_hours(plays: pd.DataFrame, truth: Truth) -> float:
    """The share of plays whose local hour is that of their true start."""
    events = truth.events.loc[plays["event"]]
    hours = ZoneHistory(truth.zones).localize(events["started_at"])["local_hour"]
    return float((hours.to_numpy() == plays["local_hour"].to_numpy()).mean())


def print_figures(about: str, told: Told) -> None:
    """One line of figures."""
    gone, gaps = missed(told), told.united.listening_gaps.query("kind == 'pages_apart'")
    figures = {
        "plays told": len(told.told),
        "plays kept": len(told.plays),
        "twice": len(twice(told)),
        "lost": len(lost(told)),
        "missed by polls": len(gone),
        "of these told late": gone["is_told_late"].sum(),
        "of these in gaps": is_within_a_gap(gone, told).sum(),
        "gaps": len(gaps),
        "open": gaps["is_open"].sum(),
        "false": len(false_gaps(told)),
    }
    hours = {
        source: right_hours(plays, told.truth)
        for source, plays in (
            ("polled", told.plays.query("source == 'recent'")),
            ("exported", told.plays.query("source != 'recent'")),
            ("exported, start told", told.plays.query("start_rule == 'offline_ts'")),
        )
        if len(plays)
    }
    said = [f"{name} {figure:,}" for name, figure in figures.items()]
    print(
        f"{about}: {'; '.join(said + [f'hours right, {name} {share:.2%}' for name, share in hours.items()])}",
        flush=True,
    )


def main() -> None:
    """Measure everything, listener by listener: an export of nine months comes to a year of polls."""
    for seed in map(int, sys.argv[1:] or ("1", "2", "3")):
        truth = simulate(seed, start=date(2024, 1, 1), years=1)
        print(f"\nListener {seed}: {len(truth.events):,} plays in a year")
        print_figures("hourly polls", tell(truth, answers_at(truth, hourly(truth))))
        answers = list(answers_at(truth, hourly(truth, outages=40)))
        print_figures("40 outages", tell(truth, answers))
        for era in _ERAS:
            cutoff = pd.Timestamp("2024-10-01", tz="UTC")
            print_figures(f"40 outages, export ({era}) of 1 October", tell(truth, answers, era, cutoff))


if __name__ == "__main__":
    main()
