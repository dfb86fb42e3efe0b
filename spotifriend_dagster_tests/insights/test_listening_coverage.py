"""Coverage: which days are known completely, at least, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd
import pytest

from spotifriend_dagster.cleaning.gaps import covered_stretches, listening_gaps
from spotifriend_dagster.tables.cleaned import HISTORY_FILES, HISTORY_PLAYS, RECENT_PAGES
from spotifriend_dagster_tests.insights.made_history import made_rows
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows


@pytest.mark.parametrize("seed", [1, 2])
def test_an_export_covers_every_day_from_its_first_row_to_its_last(made_lake, seed):
    """Pauses of months inside an extended export are pauses; each day is there once, with its listens."""
    expected = []
    for listener in ("anna", "ben"):
        plays = [row for row in made_rows(seed) if row["listener"] == listener]
        listens = Counter(row["local_date"] for row in plays if row["is_counted"] and row["is_listen"])
        day = min(row["local_date"] for row in plays)
        last = max(row["local_started_at"] + (row["ended_at"] - row["started_at"]) for row in plays)
        while day <= last:
            source = {"status": "complete", "source": "extended", "is_minimum": False}
            expected.append({"listener": listener, "local_date": day, "listens": listens[day], **source})
            day += timedelta(days=1)
    assert_rows(made_lake(seed)("listening_coverage"), expected, "listener", "local_date")


def test_an_unbroken_chain_of_polls_is_complete(lake):
    """Pages that share a play, and pages of fewer than 50 plays, prove that nothing is missing between them."""
    run = with_gaps(
        lake,
        recent_pages=pages(
            ("03-01 12:00", 50, "02-28 20:00", "03-01 11:00"),
            ("03-03 12:00", 50, "03-01 11:00", "03-03 09:00"),
            ("03-06 12:00", 49, "03-05 10:00", "03-06 09:00"),
        ),
    )
    assert statuses(run) == {**days("02-28", "03-06", "complete")}


def test_a_full_page_that_shares_no_play_leaves_a_gap(lake):
    """Plays may be missing from the newest known before to the oldest of the page; the days it crosses are minimums."""
    run = with_gaps(
        lake,
        recent_pages=pages(
            ("03-01 12:00", 50, "02-27 20:00", "03-01 11:00"),
            ("03-05 12:00", 50, "03-03 08:00", "03-05 09:00"),
            ("03-06 12:00", 50, "03-05 09:00", "03-06 09:00"),
        ),
    )
    assert statuses(run) == days("02-27", "02-29", "complete") | days("03-01", "03-03", "minimum") | days(
        "03-04", "03-06", "complete"
    )


def test_a_poll_without_news_reaches_to_its_own_instant(lake):
    """The last page says that nothing was played until it was pulled."""
    run = with_gaps(
        lake, recent_pages=pages(("03-01 12:00", 20, "02-28 20:00", "03-01 11:00"), ("03-04 12:00", 0, None, None))
    )
    assert statuses(run) == days("02-28", "03-04", "complete")


def test_an_export_closes_a_gap_between_polls(lake):
    """What the polls missed, the export tells; a day of which it tells only a part stays a minimum."""
    gap = pages(("03-01 12:00", 50, "02-28 20:00", "03-01 11:00"), ("03-09 12:00", 50, "03-08 08:00", "03-09 09:00"))
    closed = with_gaps(lake, recent_pages=gap, history_files=files(("extended", "03-01 10:00", "03-08 09:00")))
    assert statuses(closed) == days("02-28", "03-09", "complete")
    partly = with_gaps(lake, recent_pages=gap, history_files=files(("extended", "02-01 10:00", "03-04 09:00")))
    assert statuses(partly) == (
        days("02-01", "03-03", "complete") | days("03-04", "03-08", "minimum") | days("03-09", "03-09", "complete")
    )


def test_days_between_an_export_and_the_first_poll_are_unknown(lake):
    """No source reaches them; of the days at their edges a part is known."""
    run = with_gaps(
        lake,
        recent_pages=pages(("03-09 12:00", 50, "03-08 08:00", "03-09 09:00")),
        history_files=files(("extended", "02-25 10:00", "03-04 09:00")),
    )
    assert statuses(run) == (
        days("02-25", "03-03", "complete")
        | days("03-04", "03-04", "minimum")
        | days("03-05", "03-07", "unknown")
        | days("03-08", "03-08", "minimum")
        | days("03-09", "03-09", "complete")
    )


def test_a_long_silence_in_an_account_export_is_unknown(lake):
    """Such exports have stray first rows; 14 days of silence are still believed, a minute more are not."""
    rows = ["2023-12-01 10:00", "2024-03-01 10:00", "2024-03-15 10:00", "2024-03-16 10:00"]
    run = lake(history_plays=account(*rows), history_files=files(("account", "03-01 10:00", "03-16 10:00")))
    found = statuses(run)
    assert found.pop("12-01") == "minimum"
    assert found.pop("03-01") == "minimum"
    assert found == days("12-02", "12-31", "unknown") | days("01-01", "02-29", "unknown") | days(
        "03-02", "03-16", "complete"
    )
    longer = lake(history_plays=account("2024-03-01 10:00", "2024-03-15 10:01"))
    assert statuses(longer) == {"03-01": "minimum", "03-15": "minimum"} | days("03-02", "03-14", "unknown")


def test_an_extended_export_closes_the_silence_of_an_account_export(lake):
    """The silence was real when the richer export has none of it either."""
    run = lake(
        history_plays=account("2024-01-01 10:00", "2024-03-01 10:00"),
        history_files=files(("extended", "01-01 09:00", "03-05 09:00")),
    )
    assert set(statuses(run).values()) == {"complete"}
    assert set(run("listening_coverage")["source"]) == {"extended"}


def test_a_file_missing_from_an_export_leaves_days_unknown(lake):
    """Files of one export follow each other; over 30 days between two, one may be missing. Two exports never chain."""
    found = statuses(
        lake(
            history_files=files(
                ("extended", "01-01 10:00", "01-05 10:00"),
                ("extended", "02-04 10:00", "02-05 10:00"),
                ("extended", "03-10 10:00", "03-11 10:00"),
            )
        )
    )
    assert found == (
        days("01-01", "02-04", "complete")
        | {"02-05": "minimum", "03-10": "minimum", "03-11": "complete"}
        | days("02-06", "03-09", "unknown")
    )


def test_days_are_the_listeners_own_through_a_journey_and_a_change_of_clocks(lake):
    """The ends of coverage fall on local dates, each by the clock of that time."""
    plays = plays_frame(
        [
            play("anna", "2024-03-30 23:30", zone="Europe/London"),
            play("anna", "2024-04-01 23:30", zone="Europe/London"),
            play("anna", "2024-04-10 14:30", zone="Pacific/Auckland"),
        ]
    )
    polls = pages(("04-11 13:00", 0, None, None))
    assert list(statuses(with_gaps(lake, plays=plays, recent_pages=polls))) == list(days("03-30", "04-12", ""))


def test_a_play_before_the_first_time_stamp_has_a_day(lake):
    """The first play may start on the day before its own end, which is all that its source tells."""
    plays = plays_frame([play("anna", "2024-01-01 23:58"), play("anna", "2024-01-03 10:00")])
    assert statuses(lake(plays=plays)) == {"01-01": "unknown", "01-02": "complete", "01-03": "complete"}


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_pages_and_files_in_storage_does_not_matter(lake, order):
    """Coverage follows from instants alone."""
    polls = pages(
        ("03-01 12:00", 50, "02-28 20:00", "03-01 11:00"),
        ("03-02 12:00", 50, "03-01 11:00", "03-02 09:00"),
        ("03-05 12:00", 50, "03-04 08:00", "03-05 09:00"),
    )
    history = files(("extended", "01-01 10:00", "01-05 10:00"), ("extended", "01-07 10:00", "02-28 21:00"))
    found = statuses(with_gaps(lake, recent_pages=polls[::order], history_files=history[::order]))
    assert found == days("01-01", "03-01", "complete") | days("03-02", "03-04", "minimum") | {"03-05": "complete"}


def with_gaps(lake, *, recent_pages: pd.DataFrame, **frames: pd.DataFrame):
    """The lake of these tables, with the gaps that cleaning finds in pages that hold their oldest and newest play."""
    held = [
        recent_pages[["collected_on", "page", "pulled_at", side]].rename(columns={side: "played_at"})
        for side in ("oldest_played_at", "newest_played_at")
    ]
    reports = pd.concat(held).dropna().sort_values("pulled_at", kind="stable").drop_duplicates("played_at")
    empty = {table: frame_of(table, []) for table in (HISTORY_FILES, HISTORY_PLAYS)}
    stretches = covered_stretches(
        frames.get("history_files", empty[HISTORY_FILES]), frames.get("history_plays", empty[HISTORY_PLAYS])
    )
    gaps = listening_gaps(recent_pages, reports, stretches).assign(listener="anna")
    return lake(recent_pages=recent_pages, listening_gaps=gaps, **frames)


def statuses(run) -> dict[str, str]:
    """The status by `month-day`."""
    coverage = run("listening_coverage")
    assert (coverage["is_minimum"] == (coverage["status"] != "complete")).all()
    assert (coverage["source"].isna() <= (coverage["status"] != "complete")).all()
    return dict(zip(coverage["local_date"].dt.strftime("%m-%d"), coverage["status"], strict=True))


def days(first: str, last: str, status: str) -> dict[str, str]:
    """The same status for each day of 2024 from `first` to `last`, both `month-day`; December is that of 2023."""
    year = 2023 if first.startswith("12") else 2024
    dates = pd.date_range(f"{year}-{first}", f"{year}-{last}")
    return dict.fromkeys(dates.strftime("%m-%d"), status)


def pages(*polls: tuple[str, int, str | None, str | None]) -> pd.DataFrame:
    """`recent_pages` of polls of 2024: pulled at, plays, the oldest and the newest of them."""
    return frame_of(
        RECENT_PAGES,
        [
            {
                "listener": "anna",
                "year": 2024,
                "collected_on": datetime.fromisoformat(f"2024-{pulled_at}").date(),
                "page": f"page {pulled_at}",
                "pulled_at": f"2024-{pulled_at}",
                "rows": rows,
                "rejected_rows": 0,
                "new_rows": rows,
                "oldest_played_at": oldest and f"2024-{oldest}",
                "newest_played_at": newest and f"2024-{newest}",
            }
            for pulled_at, rows, oldest, newest in polls
        ],
    )


def files(*spans: tuple[str, str, str]) -> pd.DataFrame:
    """`history_files` of one export of 2024: source, first and last time stamp."""
    return frame_of(
        HISTORY_FILES,
        [
            {
                "listener": "anna",
                "export": "e",
                "file": f"{number}.json",
                "source": source,
                "rows": 100,
                "rejected_rows": 0,
                "first_ts": f"2024-{first}",
                "last_ts": f"2024-{last}",
            }
            for number, (source, first, last) in enumerate(spans)
        ],
    )


def account(*instants: str) -> pd.DataFrame:
    """`history_plays` of one account-data export with a row at each instant."""
    return frame_of(HISTORY_PLAYS, _account_rows(instants))


def _account_rows(instants: Sequence[str]) -> list[dict[str, object]]:
    row = {"listener": "anna", "export": "a", "file": "StreamingHistory0.json", "source": "account", "is_video": False}
    row |= {"ms_played": 60_000, "is_private": False}
    return [row | {"year": int(instant[:4]), "row": number, "ts": instant} for number, instant in enumerate(instants)]
