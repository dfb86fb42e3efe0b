"""What the terminal shows: answers about simulated listeners, and the rows of any query."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, datetime
from decimal import Decimal

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.lake.catalog import FolderCatalog
from spotifriend_dagster.lake.engine import DuckDBEngine
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.reports.status import print_status
from spotifriend_dagster.reports.terminal import (
    bar,
    print_answers,
    print_columns,
    print_rows,
    print_tables,
    print_where_next,
)
from spotifriend_dagster.tables.insight import every_table, load_insights
from spotifriend_dagster_tests.reports.conftest import ANA, ROBIN, TOM

QUESTIONS = (
    "Taste through the day",
    "Discovering against returning",
    "Weekdays against weekends",
    "Skips",
    "Songs on repeat",
)
ROWS = pa.table(
    {
        "name": pa.array(["[red]Ann[/]", 'a "quoted", name\nof two lines', None]),
        "listens": pa.array([1_234_567, 0, None], pa.int64()),
        "share": pa.array([0.25, float("nan"), float("inf")]),
        "total": pa.array([Decimal("12345678901234567890"), Decimal(1), None], pa.decimal128(38, 0)),
        "on": pa.array([date(2025, 3, 1), None, None], pa.date32()),
        "at": pa.array([datetime(2025, 3, 1, 12, 30), None, None], pa.timestamp("ms")),
        "genres": pa.array([["pop", "Åland folk"], [], None], pa.list_(pa.string())),
    }
)


def shown(width: int = 80) -> Console:
    """A console that keeps what is printed."""
    return Console(file=io.StringIO(), width=width, highlight=False)


def said(console: Console) -> str:
    """What was printed."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@given(st.floats(-1, 2), st.integers(1, 60))
@settings(deadline=None, max_examples=60)
def test_bars_are_never_wider_than_they_may_be(share: float, width: int):
    """A share above 1 must not push a column out of the terminal; 0 is empty, 1 is full."""
    assert len(bar(share, width)) <= width
    assert bar(0, width) == ""
    assert bar(1, width) == "█" * width


def test_bars_tell_eighths():
    """Half of a character, and what is too small for an eighth."""
    assert (bar(0.5, 1), bar(1 / 16, 2), bar(0.01, 2)) == ("▌", "▏", "")


def test_five_questions_are_answered(lake: Lake):
    """Each in a few lines, with its denominator, in a terminal of 80 characters, whatever the songs are called."""
    console = shown()
    print_answers(console, lake.reader(ROBIN))
    told = said(console)
    for question in QUESTIONS:
        assert question in told
    totals = lake.engine.query(f"SELECT * FROM listening_totals WHERE listener = '{ROBIN}'").to_pylist()[0]
    assert f"{totals['listens']:,} listens of at least 30 s" in told
    skips = lake.engine.query(
        f"SELECT skips, plays FROM skip_behaviour WHERE listener = '{ROBIN}' AND dimension = 'all'"
    ).to_pylist()[0]
    assert f"{skips['skips']:,} of {skips['plays']:,} plays that can be judged" in told
    assert "Plays may be missing on" in told
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "None" not in told
    assert len(told.splitlines()) < 70


def test_genres_are_told_where_they_are_known(lake: Lake):
    """In one line under the parts of the day; nobody is told that there are none."""
    told = {}
    for listener in (ROBIN, ANA):
        console = shown(200)
        print_answers(console, lake.reader(listener))
        told[listener] = [line for line in said(console).splitlines() if line.startswith("genres more than elsewhere")]
    assert len(told[ROBIN]) == 1
    for part in ("morning", "afternoon", "evening"):
        most = lake.engine.query(
            f"SELECT genre FROM taste_by_daypart_genres WHERE listener = '{ROBIN}' AND daypart = '{part}' "
            "AND listens >= 5 ORDER BY lift DESC LIMIT 1"
        ).to_pylist()[0]
        assert f"{part} {most['genre']} ×" in told[ROBIN][0]
    assert told[ANA] == []


def test_account_data_knows_no_skips(lake: Lake):
    """Account data does not say how a play ended, so no rate is made up; the other four are answered."""
    console = shown()
    print_answers(console, lake.reader(ANA))
    told = said(console)
    assert "No play says how it ended" in told
    assert "plays that can be judged" not in told
    assert "Plays may be missing" not in told
    assert all(question in told for question in QUESTIONS)


def test_ten_plays_are_answered_as_far_as_they_go(lake: Lake):
    """A day's listening has no weekend, no song on repeat, and too little for the taste of the day."""
    console = shown()
    print_answers(console, lake.reader(TOM))
    told = said(console)
    assert "No song was played five times within a week." in told
    assert "fewer than 50 listens: too few to trust" in told
    assert "None" not in told
    weekend = next(line for line in told.splitlines() if line.startswith("weekend"))
    assert "–" in weekend


def test_nobody_is_told_so(lake: Lake):
    """A listener without a play gets a sentence, not an empty page."""
    console = shown()
    print_answers(console, lake.reader("no'body"))
    assert said(console).strip() == "! Nothing listened to by no'body is in the lake yet."


def test_rows_for_people():
    """Nothing is blank, names are text and not markup, a line is a line, numbers are to the right."""
    console = shown(200)
    print_rows(console, ROWS, "table", io.StringIO())
    header, first, second, third = said(console).splitlines()
    assert first.startswith("[red]Ann[/]")
    assert 'a "quoted", name of two lines' in second
    assert "nan" in second
    assert "inf" in third
    assert first.index("0.25") + 4 == header.index("share") + 5
    assert '["pop", "Åland folk"]' in first
    assert "2025-03-01 12:30:00" in first


def test_titles_do_not_steer_the_terminal():
    """An escape sequence in a title would colour or clear the reader's terminal."""
    console = shown()
    print_rows(console, pa.table({"title": ["\x1b[2J\x9b31mred\x07"]}), "table", io.StringIO())
    assert not set(said(console)) & {"\x1b", "\x9b", "\x07"}


def test_only_the_first_rows_are_shown_to_people():
    """A long answer says how much of it is not shown; programs get it all."""
    rows = pa.table({"n": list(range(1_234))})
    console, out = shown(), io.StringIO()
    print_rows(console, rows, "table", out)
    assert said(console).splitlines()[-1] == "… and 1,034 rows more; --format csv gives all."
    print_rows(console, rows, "csv", out)
    assert len(out.getvalue().splitlines()) == 1_235


def test_csv_reads_back():
    """Null is empty, dates are ISO, quotes and line breaks survive."""
    out = io.StringIO()
    print_rows(shown(), ROWS, "csv", out)
    assert "\r" not in out.getvalue()
    header, first, second, third = csv.reader(io.StringIO(out.getvalue()))
    assert header == ROWS.column_names
    assert first == [
        "[red]Ann[/]",
        "1234567",
        "0.25",
        "12345678901234567890",
        "2025-03-01",
        "2025-03-01 12:30:00",
        '["pop", "Åland folk"]',
    ]
    assert second == ['a "quoted", name\nof two lines', "0", "nan", "1", "", "", "[]"]
    assert third == ["", "", "inf", "", "", "", ""]


def test_json_is_json():
    """Python writes NaN, which is no JSON: what is no number is null there. Sums are numbers, dates are ISO texts."""

    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    out = io.StringIO()
    print_rows(shown(), ROWS, "json", out)
    first, second, third = json.loads(out.getvalue(), parse_constant=refuse)
    assert first["name"] == "[red]Ann[/]"
    assert first["total"] == pytest.approx(1.2345678901234567e19)
    assert (first["on"], first["at"]) == ("2025-03-01", "2025-03-01T12:30:00")
    assert first["genres"] == ["pop", "Åland folk"]
    assert (second["share"], third["share"], third["listens"]) == (None, None, None)


def test_two_columns_of_one_name_are_two_columns():
    """`SELECT a.n, b.n` has two columns called n, with other values."""
    out = io.StringIO()
    print_rows(shown(), pa.table([[1], [2]], names=["n", "n"]), "csv", out)
    assert out.getvalue() == "n,n\n1,2\n"


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_no_rows_are_no_fault(form: str):
    """A query without rows shows its columns, or an empty list."""
    console, out = shown(), io.StringIO()
    print_rows(console, ROWS.slice(0, 0), form, out)
    assert (said(console) + out.getvalue()).strip()


def test_tables_are_listed_with_their_grain(lake: Lake):
    """Every insight is there and said to be."""
    console = shown(200)
    print_tables(console, lake.catalog)
    told = said(console)
    for name in load_insights():
        line = next(line for line in told.splitlines() if line.startswith(f"{name} "))
        assert "✓" in line


def test_the_columns_of_a_table_are_shown():
    """Whoever writes a query sees each column with its type and meaning, the partition key among them."""
    console = shown(120)
    table = every_table()["plays"]
    print_columns(console, table)
    told = said(console)
    assert all(re.search(rf"^{column.name} +{re.escape(column.type)} ", told, re.M) for column in table.all_columns)


def test_three_lines_say_where_to_go_on(tmp_path):
    """The report, the UI, one's own data; a long path is not broken into two."""
    console = shown(40)
    print_where_next(console, str(tmp_path / ("long" * 20)), tmp_path)
    lines = said(console).strip().splitlines()
    assert [line.split()[0] for line in lines] == ["Report", "UI", "Own"]


def test_status_tells_of_every_listener(lake: Lake, tmp_path):
    """Who has listened, from when to when, how much is known; who is named but has brought nothing; no run yet."""
    console = shown(120)
    names = {ROBIN: "Robin [red]", ANA: ANA, "nobody": "Nobody"}
    with dg.DagsterInstance.ephemeral() as instance:
        print_status(
            console,
            storage=lake.storage,
            catalog=lake.catalog,
            engine=lake.engine,
            names=names,
            instance=instance,
            place=str(tmp_path),
        )
    told = said(console)
    robin, ana, nobody = (next(line for line in told.splitlines() if line.startswith(who)) for who in names)
    assert "robin (Robin [red])" in robin
    assert "2022-12-01" in robin
    assert re.search(r"\d+ complete, \d+ minimum", robin)
    assert ana.startswith("ana  ")
    assert "nothing yet" in nobody
    polls = lake.engine.query(f"SELECT COUNT(*) AS polls FROM recent_pages WHERE listener = '{ROBIN}'").to_pylist()
    assert re.search(rf"^robin, collected live\npolls +{polls[0]['polls']:,}, from 20", told, re.MULTILINE)
    assert re.search(r"^gap +20..-..-.. ..:.. to 20.*: plays may be missing", told, re.MULTILINE)
    assert "ana, collected live" not in told
    assert "No run yet." in told
    assert f"Lake {tmp_path}" in told


def test_status_of_a_fresh_home_says_how_to_begin(tmp_path):
    """No lake, no listener, no run: the cure is in the sentence."""
    console, storage = shown(120), FolderStorage(tmp_path / "lake")
    catalog = FolderCatalog(storage)
    with dg.DagsterInstance.ephemeral() as instance:
        print_status(
            console,
            storage=storage,
            catalog=catalog,
            engine=DuckDBEngine(storage, catalog),
            names={},
            instance=instance,
            place=str(tmp_path),
        )
    assert "No listener yet: spotifriend import my_spotify_data.zip --zone Europe/London" in said(console)
