"""The casts on the allow-list: from which type to which, and how DuckDB says it.

DuckDB reads more texts than Athena does, and rounds halves to the even number where Athena rounds them away from zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from spotifriend_dagster.lake.dialect.case import Case, gives
from spotifriend_dagster.lake.dialect.types import OF_DUCKDB, Type


@dataclass(frozen=True)
class Cast:
    """DuckDB's forms of CAST and TRY_CAST, with `{0}` for the value; None where it is not supported."""

    strict: str
    lenient: str | None


def _plain(wanted: Type, value: str = "{0}") -> Cast:
    return Cast(f"CAST({value} AS {OF_DUCKDB[wanted]})", f"TRY_CAST({value} AS {OF_DUCKDB[wanted]})")


def _of_text(wanted: Type, pattern: str, doubtful: str = "") -> Cast:
    """A text is cast where it has `pattern`, which both engines read alike.

    Any other fails, or is null for TRY_CAST; but one that looks `doubtful`, which Athena may or may not read, fails.
    """
    is_plain = f"REGEXP_FULL_MATCH({{0}}, '{pattern}')"
    is_doubtful = f"WHEN REGEXP_FULL_MATCH({{0}}, '{doubtful}') THEN ERROR('An unusual {wanted}: ' || {{0}}) "
    target = OF_DUCKDB[wanted]
    return Cast(
        f"CAST(CASE WHEN {is_plain} THEN {{0}} ELSE 'not a {wanted}: ' || {{0}} END AS {target})",
        f"TRY_CAST(CASE WHEN {is_plain} THEN {{0}} {is_doubtful if doubtful else ''}END AS {target})",
    )


_DATE = "[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}"
_CLOCK = "[0-9]{{1,2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,3}})?)?"
_DIGITS = "([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"

_OF_TEXT = {
    "boolean": _of_text("boolean", "(?i)t|true|1|f|false|0"),
    "integer": _of_text("integer", "[+-]?[0-9]+", r"[+-]?\p{{Nd}}+"),
    "bigint": _of_text("bigint", "[+-]?[0-9]+", r"[+-]?\p{{Nd}}+"),
    "double": _of_text(
        "double", f"[+-]?{_DIGITS}", rf"\s*[+-]?(NaN|Infinity|0[xX][0-9a-fA-F.pP+-]+|{_DIGITS}[dDfF]?)\s*"
    ),
    "date": _of_text("date", _DATE, r"\s*[+-]?[0-9]+-[0-9]+-[0-9]+\s*"),
    "timestamp": Cast(_of_text("timestamp", f"{_DATE}( {_CLOCK})?").strict, None),
}

CASTS: Mapping[tuple[Type, Type], Cast] = {
    **{(type_, type_): Cast("{0}", "{0}") for type_ in OF_DUCKDB},
    **{("null", type_): _plain(type_) for type_ in OF_DUCKDB},
    **{("varchar", wanted): cast for wanted, cast in _OF_TEXT.items()},
    **{
        (found, wanted): _plain(wanted)
        for found, wanted in (
            ("boolean", "integer"),
            ("boolean", "bigint"),
            ("boolean", "double"),
            ("boolean", "varchar"),
            ("integer", "bigint"),
            ("integer", "double"),
            ("integer", "varchar"),
            ("bigint", "integer"),
            ("bigint", "double"),
            ("bigint", "varchar"),
            ("decimal", "double"),
            ("date", "varchar"),
            ("date", "timestamp"),
            ("timestamp", "date"),
        )
    },
    **{("double", wanted): _plain(wanted, "ROUND({0})") for wanted in ("integer", "bigint")},
}
"""By the type that there is and the type that is wanted."""

_SAMPLES = {
    "boolean": ("true", True),
    "integer": ("7", 7),
    "bigint": ("CAST(7 AS bigint)", 7),
    "double": ("7e0", 7.0),
    "varchar": ("'a'", "a"),
    "date": ("DATE '2024-01-31'", date(2024, 1, 31)),
    "timestamp": ("TIMESTAMP '2024-01-31 01:02:03.456'", datetime(2024, 1, 31, 1, 2, 3, 456000)),
    "array(varchar)": ("ARRAY['a']", ["a"]),
}

CAST_CASES: tuple[Case, ...] = (
    *(
        gives(f"CAST({sample} AS {type_}), TRY_CAST({sample} AS {type_})", value, value)
        for type_, (sample, value) in _SAMPLES.items()
    ),
    *(gives(f"CAST(NULL AS {type_}), TRY_CAST(NULL AS {type_})", None, None) for type_ in _SAMPLES),
    *(
        gives(
            f"{cast}(true AS integer), {cast}(false AS bigint), {cast}(true AS double), {cast}(false AS varchar)",
            *given,
        )
        for cast, given in (("CAST", (1, 0, 1.0, "false")), ("TRY_CAST", (1, 0, 1.0, "false")))
    ),
    *(
        gives(
            f"{cast}(-7 AS bigint), {cast}(7 AS double), {cast}(-7 AS varchar), {cast}(CAST(7 AS bigint) AS integer), "
            f"{cast}(CAST(7 AS bigint) AS double), {cast}(CAST(7 AS bigint) AS varchar), {cast}(0.5 AS double)",
            *(-7, 7.0, "-7", 7, 7.0, "7", 0.5),
        )
        for cast in ("CAST", "TRY_CAST")
    ),
    *(
        gives(
            f"{cast}(DATE '2024-01-31' AS varchar), {cast}(DATE '2024-01-31' AS timestamp), "
            f"{cast}(TIMESTAMP '2024-01-31 23:59:59.999' AS date)",
            *("2024-01-31", datetime(2024, 1, 31), date(2024, 1, 31)),
        )
        for cast in ("CAST", "TRY_CAST")
    ),
    *(
        gives(
            f"{cast}(2.5e0 AS bigint), {cast}(-2.5e0 AS bigint), {cast}(3.5e0 AS integer), {cast}(2.4999e0 AS integer)",
            *(3, -3, 4, 2),
        )
        for cast in ("CAST", "TRY_CAST")
    ),
    gives("TRY_CAST(1e30 AS bigint), TRY_CAST(3000000000 AS integer)", None, None),
    *(
        gives(
            f"{cast}(lower('TRUE') AS boolean), {cast}(lower('12') AS integer), {cast}(lower('+12') AS bigint), "
            f"{cast}(lower('1.5E3') AS double), {cast}(lower('2024-1-5') AS date)",
            *(True, 12, 12, 1500.0, date(2024, 1, 5)),
        )
        for cast in ("CAST", "TRY_CAST")
    ),
    gives(
        "TRY_CAST('yes' AS boolean), TRY_CAST('1.5' AS integer), TRY_CAST(' 12' AS bigint), TRY_CAST('1,5' AS double), "
        "TRY_CAST('2024/01/05' AS date), TRY_CAST('2024-02-30' AS date)",
        *(None, None, None, None, None, None),
    ),
    gives(
        "CAST(lower('2024-01-05 01:02:03.456') AS timestamp), CAST(lower('2024-01-05') AS timestamp)",
        datetime(2024, 1, 5, 1, 2, 3, 456000),
        datetime(2024, 1, 5),
    ),
)
