"""The period of a summary: what may be asked for, and the SQL that it becomes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotifriend_dagster.reports.period import Period, ReportError, parse_period


def test_all_time_has_no_bounds():
    """All time is every row, also those without a date."""
    period = parse_period("all")
    assert period == Period("all", "all")
    assert (period.title, period.within("local_date"), period.touches("a", "b")) == ("all time", "TRUE", "TRUE")


def test_a_year_and_a_month_end_before_the_next_begins():
    """December must not run into a thirteenth month."""
    assert parse_period("2025") == Period("year", "2025", date(2025, 1, 1), date(2026, 1, 1))
    assert parse_period("2025-12") == Period("month", "2025-12", date(2025, 12, 1), date(2026, 1, 1))
    assert parse_period("2024-02").title == "February 2024"
    assert parse_period("2025").title == "2025"


@given(st.dates(date(1000, 1, 1), date(2999, 12, 31)))
def test_every_day_lies_in_its_month_and_year_alone(on: date):
    """A day that falls between two months would be in no summary."""
    for name in (f"{on:%Y}", f"{on:%Y-%m}"):
        period = parse_period(name)
        assert period.start <= on < period.end
        for beside in (period.start - timedelta(days=1), period.end):
            assert f"{beside:%Y-%m-%d}"[: len(name)] != name


def test_conditions_are_half_open():
    """The last day counts, the first of the next period does not."""
    period = parse_period("2025-03")
    assert period.within("d") == "d >= DATE '2025-03-01' AND d < DATE '2025-04-01'"
    assert period.touches("a", "b") == "b >= DATE '2025-03-01' AND a < DATE '2025-04-01'"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "ALL",
        "2025-13",
        "2025-00",
        "2025-3",
        "25",
        "0999",
        "9999",
        "2025-03-01",
        " 2025",
        "2025\n",
        "٢٠٢٥",
        "2025' OR 1=1",
    ],
)
def test_anything_else_is_refused_in_a_sentence(said: str):
    """What is no period must not reach the SQL, and the sentence shows what one looks like."""
    with pytest.raises(ReportError) as refusal:
        parse_period(said)
    assert str(refusal.value) == (
        f"The period is {said!r}, but it must be all, a year such as 2025, or a month such as 2025-03."
    )
