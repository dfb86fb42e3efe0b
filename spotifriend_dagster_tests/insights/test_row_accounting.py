"""Row accounting: what was received, and what became of it."""

from __future__ import annotations

from spotifriend_dagster.tables.cleaned import HISTORY_FILES, RECENT_PAGES, ROW_OUTCOMES
from spotifriend_dagster_tests.insights.made_plays import frame_of
from spotifriend_dagster_tests.insights.plain_rows import assert_rows


def test_rows_received_are_held_against_what_became_of_them(lake):
    """Export files and polled pages alike; reasons are summed; a row nobody accounts for shows."""
    files = frame_of(
        HISTORY_FILES,
        [
            _file("anna", "e1", "Audio_0.json", rows=10),
            _file("anna", "e1", "Audio_1.json", rows=5),
            _file("anna", "e2", "Audio_0.json", rows=0),
            _file("ben", "e1", "Audio_0.json", rows=3),
        ],
    )
    page = {"listener": "anna", "year": 2024, "collected_on": "2024-03-01", "page": "20240301T120003123Z"}
    page |= {"pulled_at": "2024-03-01T12:00:03.123Z", "rows": 50, "rejected_rows": 1, "new_rows": 40}
    audio = {"listener": "anna", "source": "extended", "origin": "e1", "file": "Audio_0.json"}
    second = audio | {"file": "Audio_1.json"}
    polled = {"listener": "anna", "source": "recent", "origin": "2024-03-01", "file": "20240301T120003123Z"}
    bens = audio | {"listener": "ben"}
    outcomes = [
        audio | {"outcome": "kept", "reason": "", "rows": 6},
        audio | {"outcome": "duplicate", "reason": "", "rows": 1},
        audio | {"outcome": "rejected", "reason": "", "rows": 3},
        second | {"outcome": "rejected", "reason": "no ts", "rows": 2},
        second | {"outcome": "rejected", "reason": "not an object", "rows": 2},
        polled | {"outcome": "kept", "reason": "", "rows": 9},
        polled | {"outcome": "duplicate", "reason": "", "rows": 10},
        polled | {"outcome": "superseded", "reason": "", "rows": 30},
        polled | {"outcome": "rejected", "reason": "", "rows": 1},
        bens | {"outcome": "kept", "reason": "", "rows": 4},
        bens | {"file": "gone.json", "outcome": "kept", "reason": "", "rows": 1},
    ]
    accounts = lake(
        history_files=files,
        recent_pages=frame_of(RECENT_PAGES, [page]),
        row_outcomes=frame_of(ROW_OUTCOMES, outcomes),
    )("row_accounting")
    expected = [
        audio | _account(10, 6, 1, 0, 3, 0),
        second | _account(5, 0, 0, 0, 4, 1),
        audio | {"origin": "e2"} | _account(0, 0, 0, 0, 0, 0),
        polled | _account(50, 9, 10, 30, 1, 0),
        bens | _account(3, 4, 0, 0, 0, -1),
        bens | {"file": "gone.json"} | _account(0, 1, 0, 0, 0, -1),
    ]
    assert_rows(accounts, expected, "listener", "source", "origin", "file")


def _file(listener, export, file, rows):
    row = {"listener": listener, "export": export, "file": file, "source": "extended"}
    return row | {"rows": rows, "rejected_rows": 0}


def _account(*rows):
    columns = ("input_rows", "kept_rows", "duplicate_rows", "superseded_rows", "rejected_rows", "unaccounted_rows")
    return dict(zip(columns, rows, strict=True))
