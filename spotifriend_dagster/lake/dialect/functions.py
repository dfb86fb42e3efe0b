"""The scalar functions on the allow-list: what each takes and gives in Athena, how DuckDB says it, and its cases.

Those of dates are in `dates.py`, aggregates and window functions in `aggregates.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from spotifriend_dagster.lake.dialect.case import Case, gives
from spotifriend_dagster.lake.dialect.literals import json_path, portable_pattern


@dataclass(frozen=True)
class Function:
    """One function.

    `overloads` has DuckDB's form by Athena's signature (`types.result_of`); the first that fits wins. In the form,
    `{0}` is the first argument; `{all}` are all, after DISTINCT where that is said; `{chained}` are all, with `||`
    between them; `{is_null}` is true where any is null; `{order}` is the ORDER BY inside the call, `{nulls}` its IGNORE
    NULLS; and `{over}` stands where FILTER and OVER go: what is around it is done to the aggregate's result.
    `written` turns a literal argument into DuckDB's words.
    """

    kind: Literal["scalar", "aggregate", "window"]
    overloads: Mapping[str, str]
    cases: tuple[Case, ...]
    takes_distinct: bool = False
    needs_order: bool = False
    written: Callable[[str], str] | None = None


def guarded(wrong: str, message: str, value: str) -> str:
    """DuckDB SQL that gives `value`, or fails with `message` where `wrong` is true."""
    return f"CASE WHEN {wrong} THEN ERROR('{message}') ELSE {value} END"


def scalar(overloads: Mapping[str, str], *cases: Case, written: Callable[[str], str] | None = None) -> Function:
    """A function of the values of one row."""
    return Function("scalar", overloads, cases, written=written)


# What Trino's trim removes.
_SPACE = "".join(
    map(
        chr,
        (
            *(*range(0x09, 0x0E), *range(0x1C, 0x21), 0x1680, *range(0x2000, 0x2007), *range(0x2008, 0x200B)),
            *(0x2028, 0x2029, 0x205F, 0x3000),
        ),
    )
)
_START = "CASE WHEN {1} = 0 OR {1} < -LENGTH({0}) THEN LENGTH({0}) + 1 ELSE {1} END"
_SOUGHT = guarded("{1} = ''", "The text to replace is empty.", "{1}")
_JSON = "CASE WHEN JSON_VALID({0}) THEN {0} END"  # to DuckDB any other text is an error

_TEXT = {
    "lower": scalar({"varchar -> varchar": "LOWER({0})"}, gives("lower('ÀB-Ç')", "àb-ç")),
    "upper": scalar(
        # In DuckDB ß has a capital.
        {
            "varchar -> varchar": "CASE WHEN CONTAINS({0}, 'ß') THEN ARRAY_TO_STRING("
            "LIST_TRANSFORM(STRING_SPLIT({0}, 'ß'), lambda part: UPPER(part)), 'ß') ELSE UPPER({0}) END"
        },
        gives("upper('àb-ç'), upper('straße'), upper(CAST(NULL AS varchar))", "ÀB-Ç", "STRAßE", None),
    ),
    "length": scalar({"varchar -> bigint": "LENGTH({0})"}, gives("length('é😀'), length('')", 2, 0)),
    "trim": scalar({"varchar -> varchar": f"TRIM({{0}}, '{_SPACE}')"}, gives("trim(' \t a b\n\u2003')", "a b")),
    "ltrim": scalar({"varchar -> varchar": f"LTRIM({{0}}, '{_SPACE}')"}, gives("ltrim('\t a ')", "a ")),
    "rtrim": scalar({"varchar -> varchar": f"RTRIM({{0}}, '{_SPACE}')"}, gives("rtrim(' a\t ')", " a")),
    **dict.fromkeys(
        ("substr", "substring"),
        # Athena gives an empty text where DuckDB counts from before the text.
        scalar(
            {
                "varchar, bigint -> varchar": f"SUBSTRING({{0}}, {_START})",
                "varchar, bigint, bigint -> varchar": f"SUBSTRING({{0}}, {_START}, "
                "CASE WHEN {2} < 0 THEN 0 ELSE {2} END)",
            },
            gives("substr('abcdef', 2), substr('abcdef', -2), substr('abcdef', 0)", "bcdef", "ef", ""),
            gives("substring('abcdef', 2, 3), substring('abcdef', -3, 2), substr('é😀x', 2, 1)", "bcd", "de", "😀"),
            gives("substr('abcdef', -10, 12), substr('abcdef', 0, 2), substr('abcdef', 2, -1)", "", "", ""),
            gives("substring('abc', 4), substr('abc', CAST(NULL AS bigint), 1)", "", None),
            gives("substr(CAST(NULL AS varchar), 0, 1), substr('abc', 1, CAST(NULL AS bigint))", None, None),
        ),
    ),
    "replace": scalar(
        {
            "varchar, varchar -> varchar": f"REPLACE({{0}}, {_SOUGHT}, '')",
            "varchar, varchar, varchar -> varchar": f"REPLACE({{0}}, {_SOUGHT}, {{2}})",
        },
        gives("replace('abcabc', 'b'), replace('abcabc', 'bc', 'x')", "acac", "axax"),
    ),
    **{
        name: scalar(
            {
                "varchar, bigint, varchar -> varchar": f"{name.upper()}({{0}}, "
                + guarded("{1} < 0", "The length to pad to is negative.", "CAST({1} AS INTEGER)")
                + ", {2})"
            },
            gives(f"{name}('7', 2, '0'), {name}('abc', 6, 'xy'), {name}('abcdef', 3, 'x')", *padded, "abc"),
        )
        for name, padded in {"lpad": ("07", "xyxabc"), "rpad": ("70", "abcxyx")}.items()
    },
    "strpos": scalar(
        {"varchar, varchar -> bigint": "STRPOS({0}, {1})"},
        gives("strpos('abcb', 'b'), strpos('abc', 'x'), strpos('abc', '')", 2, 0, 1),
    ),
    "starts_with": scalar(
        {"varchar, varchar -> boolean": "STARTS_WITH({0}, {1})"},
        gives("starts_with('abc', 'ab'), starts_with('abc', 'b')", True, False),
    ),
    "split_part": scalar(
        {
            "varchar, varchar, bigint -> varchar": "CASE WHEN {2} < 1 THEN ERROR('Index must be greater than zero') "
            "WHEN {1} = '' THEN ERROR('The delimiter is empty.') WHEN {2} > LEN(STRING_SPLIT({0}, {1})) THEN NULL "
            "ELSE SPLIT_PART({0}, {1}, {2}) END"
        },
        gives("split_part('spotify:track:1', ':', 2), split_part('a,b', ',', 3)", "track", None),
    ),
    "concat": scalar(
        # DuckDB's own passes over nulls.
        {"varchar, varchar, varchar... -> varchar": "({chained})"},
        gives("concat('a', 'b', 'c'), concat('a', CAST(NULL AS varchar))", "abc", None),
    ),
    "regexp_like": scalar(
        {"varchar, literal -> boolean": "REGEXP_MATCHES({0}, {1})"},
        gives("regexp_like('Song - 2011 Remaster', '- [0-9]{4} (Remaster|Mix)$')", True),
        gives("regexp_like('a+b', '^a\\+b$'), regexp_like('ab', 'B'), regexp_like('é', '^.$')", True, False, True),
        gives("regexp_like('ab\n', 'b$'), regexp_like('a$c', '[$]c')", True, True),
        written=portable_pattern,
    ),
    "json_extract_scalar": scalar(
        # Athena keeps the digits of a fraction as they are written; DuckDB parses them.
        {
            "varchar, literal -> varchar": f"CASE JSON_TYPE({_JSON}, {{1}}) WHEN 'OBJECT' THEN NULL WHEN 'ARRAY' "
            "THEN NULL WHEN 'DOUBLE' THEN ERROR('JSON_EXTRACT_SCALAR of a fraction gives other digits in the other "
            f"engine.') ELSE JSON_EXTRACT_STRING({_JSON}, {{1}}) END"
        },
        gives("""json_extract_scalar('{"a": {"b": [5, "x"]}}', '$.a.b[1]')""", "x"),
        gives("""json_extract_scalar('{"a": {"b": 5}}', '$.a.b'), json_extract_scalar('{"a": 5}', '$.b')""", "5", None),
        gives("""json_extract_scalar('{"a": {}}', '$.a'), json_extract_scalar('{"a": null}', '$.a')""", None, None),
        gives("""json_extract_scalar('{"a": true}', '$.a'), json_extract_scalar('no JSON', '$.a')""", "true", None),
        written=json_path,
    ),
    "json_array_length": scalar(
        {
            "varchar -> bigint": f"CASE WHEN JSON_TYPE({_JSON}) = 'ARRAY' "
            f"THEN CAST(JSON_ARRAY_LENGTH({_JSON}) AS BIGINT) END"
        },
        gives("""json_array_length('[1, [2, 3]]'), json_array_length('{}'), json_array_length('[')""", 2, None, None),
    ),
}

_NUMBERS = {
    "abs": scalar(
        {f"{type_} -> {type_}": "ABS({0})" for type_ in ("integer", "bigint", "double")},
        gives("abs(-3), abs(CAST(-3 AS bigint)), abs(-2.5e0)", 3, 3, 2.5),
    ),
    "sign": scalar(
        {f"{type_} -> {type_}": f"CAST(SIGN({{0}}) AS {type_.upper()})" for type_ in ("integer", "bigint", "double")},
        gives("sign(-3), sign(CAST(0 AS bigint)), sign(2.5e0)", -1, 0, 1.0),
    ),
    **{
        name: scalar(
            {"integer -> integer": "{0}", "bigint -> bigint": "{0}", "double -> double": f"{duckdb}({{0}})"},
            gives(f"{name}(5), {name}(CAST(5 AS bigint)), {name}(1.5e0), {name}(-1.5e0)", 5, 5, *rounded),
        )
        for name, duckdb, rounded in (
            ("floor", "FLOOR", (1.0, -2.0)),
            ("ceil", "CEIL", (2.0, -1.0)),
            ("ceiling", "CEIL", (2.0, -1.0)),
        )
    },
    "round": scalar(
        {
            "integer -> integer": "{0}",
            "bigint -> bigint": "{0}",
            "double -> double": "ROUND({0})",
            "integer, bigint -> integer": "ROUND({0}, CAST({1} AS INTEGER))",
            "bigint, bigint -> bigint": "ROUND({0}, CAST({1} AS INTEGER))",
            "double, bigint -> double": "ROUND({0}, CAST({1} AS INTEGER))",
        },
        gives("round(5), round(CAST(5 AS bigint)), round(0.49999999999999994e0)", 5, 5, 0.0),
        gives("round(2.5e0), round(-2.5e0), round(1.5e0)", 3.0, -3.0, 2.0),
        gives(
            "round(25, -1), round(CAST(-25 AS bigint), -1), round(1.005e0, 2), round(2.345e0, 2)", 30, -30, 1.0, 2.35
        ),
    ),
    "truncate": scalar({"double -> double": "TRUNC({0})"}, gives("truncate(2.7e0), truncate(-2.7e0)", 2.0, -2.0)),
    "mod": scalar(
        {"integer, integer -> integer": "({0} % {1})", "bigint, bigint -> bigint": "({0} % {1})"},
        gives("mod(7, 3), mod(-7, 3), mod(CAST(7 AS bigint), -3)", 1, -1, 1),
    ),
    "sqrt": scalar(
        {"double -> double": f"SQRT({guarded('{0} < 0', 'The square root of a negative number.', '{0}')})"},
        gives("sqrt(2.25e0), sqrt(16)", 1.5, 4.0),
    ),
    **{
        name: scalar(
            {"double -> double": f"{name.upper()}({guarded('{0} <= 0', 'The logarithm of 0 or less.', '{0}')})"},
            gives(f"{name}({argument}), {name}(1)", 2.0, 0.0),
        )
        for name, argument in (("ln", "exp(2e0)"), ("log2", "4e0"), ("log10", "100"))
    },
    "exp": scalar({"double -> double": "EXP({0})"}, gives("exp(0), exp(1e0)", 1.0, 2.718281828459045)),
    **dict.fromkeys(
        ("power", "pow"),
        scalar(
            {
                "double, double -> double": "POWER("
                + guarded("{0} < 0 AND {1} <> FLOOR({1})", "A fractional power of a negative number.", "{0}")
                + ", {1})"
            },
            gives("power(2, 10), pow(2e0, -1e0), pow(-2e0, 2)", 1024.0, 0.5, 4.0),
        ),
    ),
    "pi": scalar({" -> double": "PI()"}, gives("pi()", 3.141592653589793)),
}

_CHOICES = {
    "coalesce": scalar(
        {"T, T, T... -> T": "COALESCE({all})"},
        gives("coalesce(NULL, 1, 2e0), coalesce(NULL, 'a'), coalesce(CAST(NULL AS double), 0.5)", 1.0, "a", 0.5),
    ),
    "nullif": scalar(
        {"T, ~T -> T": "NULLIF({0}, {1})"}, gives("nullif(1, 1), nullif(1e0, 0), nullif('a', 'b')", None, 1.0, "a")
    ),
    **{
        name: scalar(
            # DuckDB's own passes over nulls.
            {"T, T... -> T": f"CASE WHEN {{is_null}} THEN NULL ELSE {name.upper()}({{all}}) END"},
            gives(f"{name}(1, NULL, 3), {name}(1, 3), {name}(2e0, 1), {name}('a', 'b')", None, *chosen),
            gives(f"{name}(DATE '2024-01-02', TIMESTAMP '2024-01-02 01:00:00')", at),
        )
        for name, chosen, at in (
            ("greatest", (3, 2.0, "b"), datetime(2024, 1, 2, 1)),
            ("least", (1, 1.0, "a"), datetime(2024, 1, 2)),
        )
    },
}

_TOO_LONG = "result of sequence function must not have more than 10000 entries"
_BACKWARDS = (
    "sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop "
    "should be less than or equal to start"
)
_DAYS = "DATE_SUB('day', {0}, {1})"
_MONTH_STEP = "(12 * DATEPART('year', {2}) + DATEPART('month', {2}))"


def _dates(last: str, step: str) -> str:
    """DuckDB SQL for a sequence of dates: the n-th is start + n steps, so that the 31st comes back after February."""
    steps = f"LIST_TRANSFORM(RANGE({last} + 1), lambda n: CAST({{0}} + {step} AS DATE))"
    return guarded(f"{last} >= 10000", _TOO_LONG, steps)


_ARRAYS = {
    "cardinality": scalar(
        {"array(T) -> bigint": "LEN({0})"},
        gives("cardinality(ARRAY[1, NULL]), cardinality(CAST(NULL AS array(varchar)))", 2, None),
    ),
    "element_at": scalar(
        {"array(T), bigint -> T": f"LIST_EXTRACT({{0}}, {guarded('{1} = 0', 'SQL array indices start at 1', '{1}')})"},
        gives(
            "element_at(ARRAY['a', 'b'], 1), element_at(ARRAY['a', 'b'], -1), element_at(ARRAY[1], 2)", "a", "b", None
        ),
    ),
    "contains": scalar(
        # DuckDB says false where a null may be what is looked for.
        {
            "array(T), T -> boolean": "CASE WHEN LIST_CONTAINS({0}, {1}) THEN TRUE "
            "WHEN LEN({0}) > LIST_COUNT({0}) THEN NULL ELSE LIST_CONTAINS({0}, {1}) END"
        },
        gives("contains(ARRAY[1, 2], 2), contains(ARRAY[1, 2], 3), contains(ARRAY[1, NULL], 3)", True, False, None),
        gives("contains(ARRAY[1, NULL], 1), contains(ARRAY[1], NULL)", True, None),
    ),
    "array_join": scalar(
        {
            "array(varchar), varchar -> varchar": "ARRAY_TO_STRING({0}, {1})",
            "array(varchar), varchar, varchar -> varchar": "ARRAY_TO_STRING("
            "LIST_TRANSFORM({0}, lambda element: COALESCE(element, {2})), {1})",
        },
        gives("array_join(ARRAY['a', NULL, 'b'], ', '), array_join(ARRAY['a', NULL], ',', '?')", "a, b", "a,?"),
    ),
    "sequence": scalar(
        {
            "bigint, bigint -> array(bigint)": guarded(
                "ABS({1} - {0}) >= 10000",
                _TOO_LONG,
                "GENERATE_SERIES({0}, {1}, CASE WHEN {0} <= {1} THEN 1 ELSE -1 END)",
            ),
            "bigint, bigint, bigint -> array(bigint)": guarded(
                "{2} = 0 OR SIGN({1} - {0}) * SIGN({2}) < 0",
                _BACKWARDS,
                guarded("ABS(({1} - {0}) // {2}) >= 10000", _TOO_LONG, "GENERATE_SERIES({0}, {1}, {2})"),
            ),
            "date, date -> array(date)": _dates(f"ABS({_DAYS})", f"TO_DAYS(CAST(SIGN({_DAYS}) * n AS INTEGER))"),
            "date, date, interval day -> array(date)": guarded(
                "{0} > {1}",
                _BACKWARDS,
                _dates(f"{_DAYS} // DATEPART('day', {{2}})", "TO_DAYS(CAST(n * DATEPART('day', {2}) AS INTEGER))"),
            ),
            "date, date, interval month -> array(date)": guarded(
                "{0} > {1}",
                _BACKWARDS,
                _dates(
                    f"DATE_SUB('month', {{0}}, {{1}}) // {_MONTH_STEP}",
                    f"TO_MONTHS(CAST(n * {_MONTH_STEP} AS INTEGER))",
                ),
            ),
        },
        gives("sequence(1, 3), sequence(3, 1), sequence(CAST(1 AS bigint), 6, 2)", [1, 2, 3], [3, 2, 1], [1, 3, 5]),
        gives(
            "sequence(DATE '2024-02-28', DATE '2024-03-01'), sequence(DATE '2024-01-02', DATE '2024-01-01')",
            [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)],
            [date(2024, 1, 2), date(2024, 1, 1)],
        ),
        gives(
            "sequence(DATE '2024-01-01', DATE '2024-01-16', INTERVAL '7' DAY)",
            [date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 15)],
        ),
        gives(
            "sequence(DATE '2024-01-31', DATE '2024-04-30', INTERVAL '1' MONTH)",
            [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)],
        ),
        gives(
            "sequence(DATE '2023-02-28', DATE '2025-02-28', INTERVAL '1' YEAR)",
            [date(2023, 2, 28), date(2024, 2, 28), date(2025, 2, 28)],
        ),
    ),
}

SCALARS: Mapping[str, Function] = {**_TEXT, **_NUMBERS, **_CHOICES, **_ARRAYS}
