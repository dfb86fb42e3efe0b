"""The functions of dates and timestamps on the allow-list, with their cases.

What a function's entry holds is said in `functions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from spotifriend_dagster.lake.dialect.case import gives
from spotifriend_dagster.lake.dialect.casts import CASTS
from spotifriend_dagster.lake.dialect.functions import Function, scalar
from spotifriend_dagster.lake.dialect.literals import strftime_format

_AT = "TIMESTAMP '2024-03-05 14:07:09.123'"
_DAY = "DATE '2024-12-30'"
PARTS: Mapping[str, tuple[str, int, int]] = {
    "year": ("YEAR({0})", 2024, 2024),
    "quarter": ("QUARTER({0})", 1, 4),
    "month": ("MONTH({0})", 3, 12),
    "day": ("DAY({0})", 5, 30),
    "day_of_month": ("DAY({0})", 5, 30),
    "day_of_week": ("ISODOW({0})", 2, 1),
    "dow": ("ISODOW({0})", 2, 1),
    "day_of_year": ("DAYOFYEAR({0})", 65, 365),
    "doy": ("DAYOFYEAR({0})", 65, 365),
    "week": ("WEEK({0})", 10, 1),
    "week_of_year": ("WEEK({0})", 10, 1),
    "year_of_week": ("ISOYEAR({0})", 2024, 2025),
    "yow": ("ISOYEAR({0})", 2024, 2025),
    "hour": ("HOUR({0})", 14, 0),
    "minute": ("MINUTE({0})", 7, 0),
    "second": ("SECOND({0})", 9, 0),
    "millisecond": ("(MILLISECOND({0}) % 1000)", 123, 0),
}
"""Parts of a timestamp by function: DuckDB's form, and what they are at two instants of the cases."""

_DAY_STEPS = {
    "day": "TO_DAYS(CAST({1} AS INTEGER))",
    "week": "TO_DAYS(CAST(7 * {1} AS INTEGER))",
    "month": "TO_MONTHS(CAST({1} AS INTEGER))",
    "quarter": "TO_MONTHS(CAST(3 * {1} AS INTEGER))",
    "year": "TO_MONTHS(CAST(12 * {1} AS INTEGER))",
}
_CLOCK_STEPS = {
    "millisecond": "TO_MILLISECONDS({1})",
    "second": "TO_SECONDS({1})",
    "minute": "TO_MINUTES({1})",
    "hour": "TO_HOURS({1})",
}
_STEPS = _DAY_STEPS | _CLOCK_STEPS


def _each(units: Mapping[str, str], call: str) -> str:
    return ", ".join(call.format(f"'{unit}'") for unit in units)


_AFTER_JANUARY = ((2024, 2, 1), (2024, 2, 7), (2024, 2, 29), (2024, 4, 30), (2025, 1, 31))

DATES: Mapping[str, Function] = {
    **{
        name: scalar(
            {"timestamp -> bigint": duckdb},
            gives(f"{name}({_AT}), {name}({_DAY}), {name}(CAST(NULL AS date))", *values, None),
        )
        for name, (duckdb, *values) in PARTS.items()
    },
    "date": scalar(
        {
            "date -> date": "{0}",
            "timestamp -> date": "CAST({0} AS DATE)",
            "varchar -> date": CASTS["varchar", "date"].strict,
        },
        gives(f"date({_AT}), date({_DAY}), date('2024-02-03')", date(2024, 3, 5), date(2024, 12, 30), date(2024, 2, 3)),
    ),
    "from_iso8601_date": scalar(
        {"varchar -> date": CASTS["varchar", "date"].strict}, gives("from_iso8601_date('2024-02-03')", date(2024, 2, 3))
    ),
    "last_day_of_month": scalar(
        {"timestamp -> date": "LAST_DAY({0})"},
        gives(f"last_day_of_month(DATE '2024-02-03'), last_day_of_month({_AT})", date(2024, 2, 29), date(2024, 3, 31)),
    ),
    "date_trunc": scalar(
        {
            **{f"'{unit}', date -> date": f"CAST(DATE_TRUNC('{unit}', {{1}}) AS DATE)" for unit in _DAY_STEPS},
            **{f"'{unit}', timestamp! -> timestamp": f"DATE_TRUNC('{unit}', {{1}})" for unit in _STEPS},
        },
        gives(
            _each(_DAY_STEPS, "date_trunc({}, DATE '2024-05-07')"),
            *(date(2024, *day) for day in ((5, 7), (5, 6), (5, 1), (4, 1), (1, 1))),
        ),
        gives(
            _each(_DAY_STEPS, f"date_trunc({{}}, {_AT})"),
            *(datetime(2024, *day) for day in ((3, 5), (3, 4), (3, 1), (1, 1), (1, 1))),
        ),
        gives(
            _each(_CLOCK_STEPS, f"date_trunc({{}}, {_AT})"),
            *(datetime(2024, 3, 5, 14, *clock) for clock in ((7, 9, 123000), (7, 9), (7,), ())),
        ),
        gives(f"date_trunc('MONTH', {_AT})", datetime(2024, 3, 1)),
    ),
    "date_add": scalar(
        {
            **{f"'{unit}', bigint, date -> date": f"CAST({{2}} + {by} AS DATE)" for unit, by in _DAY_STEPS.items()},
            **{f"'{unit}', bigint, timestamp! -> timestamp": f"({{2}} + {by})" for unit, by in _STEPS.items()},
        },
        gives(_each(_DAY_STEPS, "date_add({}, 1, DATE '2024-01-31')"), *(date(*day) for day in _AFTER_JANUARY)),
        gives(
            _each(_DAY_STEPS, "date_add({}, 1, TIMESTAMP '2024-01-31 10:00:00')"),
            *(datetime(*day, 10) for day in _AFTER_JANUARY),
        ),
        gives(
            _each(_CLOCK_STEPS, "date_add({}, -1, TIMESTAMP '2024-01-31 10:00:00.000')"),
            *(datetime(2024, 1, 31, 9, *clock) for clock in ((59, 59, 999000), (59, 59), (59,), ())),
        ),
        gives("date_add('month', -1, DATE '2024-03-31')", date(2024, 2, 29)),
        gives("date_add('year', 1, DATE '2024-02-29')", date(2025, 2, 28)),
    ),
    "date_diff": scalar(
        # DuckDB's own DATE_DIFF counts the boundaries that were crossed; this one counts whole units.
        {
            **{f"'{unit}', date, date -> bigint": f"DATE_SUB('{unit}', {{1}}, {{2}})" for unit in _DAY_STEPS},
            **{f"'{unit}', timestamp, timestamp -> bigint": f"DATE_SUB('{unit}', {{1}}, {{2}})" for unit in _STEPS},
        },
        gives(_each(_DAY_STEPS, "date_diff({}, DATE '2024-01-31', DATE '2025-02-28')"), 394, 56, 13, 4, 1),
        gives(
            _each(_STEPS, "date_diff({}, TIMESTAMP '2024-01-01 10:00:00', TIMESTAMP '2024-12-31 09:59:59.999')"),
            *(364, 52, 11, 3, 0, 31535999999, 31535999, 525599, 8759),
        ),
        gives("date_diff('day', DATE '2024-01-02', TIMESTAMP '2024-01-01 01:00:00')", 0),
        gives("date_diff('month', DATE '2024-01-31', DATE '2024-02-29')", 1),
        gives("date_diff('month', DATE '2024-02-29', DATE '2024-01-31')", -1),
    ),
    "date_format": scalar(
        {"timestamp, literal -> varchar": "STRFTIME({0}, {1})"},
        gives(
            f"date_format({_AT}, '%Y|%y|%m|%c|%M|%b|%d|%e|%j|%W|%a'), date_format({_DAY}, '%Y-%m')",
            "2024|24|03|3|March|Mar|05|5|065|Tuesday|Tue",
            "2024-12",
        ),
        gives(
            f"date_format({_AT}, '%H|%k|%h|%I|%l|%i|%s|%S|%f|%p|%T|%r|%v|%x|%%')",
            "14|14|02|02|2|07|09|09|123000|PM|14:07:09|02:07:09 PM|10|2024|%",
        ),
        written=strftime_format,
    ),
}
