"""The aggregates and window functions on the allow-list, and what to write in place of some functions that are not.

What a function's entry holds is said in `functions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from spotifriend_dagster.lake.dialect.case import Case, rows
from spotifriend_dagster.lake.dialect.dates import DATES
from spotifriend_dagster.lake.dialect.functions import SCALARS, Function

_NUMBERS = "(VALUES 2, NULL, 4, 4) AS t (x)"
_DOUBLES = "(VALUES 2e0, NULL, 4e0, 4.5e0) AS t (x)"
_YES_NO = "(VALUES true, NULL, false) AS t (x)"
_LABELLED = "(VALUES (1, 'a'), (2, 'b'), (2, 'c'), (4, NULL)) AS t (x, s)"
_PAIRS = "(VALUES (1e0, 2e0), (2e0, 4e0), (3e0, 5e0), (NULL, 9e0)) AS t (y, x)"
_LEVEL = "(VALUES (1e0, 2e0), (3e0, 2e0)) AS t (y, x)"
_NONE = "(VALUES 1) AS t (x) WHERE x = 2"
_RANKED = "FROM (VALUES 10, 20, 20, 40) AS t (x) ORDER BY x, 2"
_GAPS = "FROM (VALUES (1, 'a'), (2, NULL), (3, 'c')) AS t (x, s) ORDER BY x"


def _aggregate(
    overloads: Mapping[str, str], *cases: Case, takes_distinct: bool = False, needs_order: bool = False
) -> Function:
    return Function("aggregate", overloads, cases, takes_distinct, needs_order)


def _window(overloads: Mapping[str, str], *cases: Case) -> Function:
    return Function("window", overloads, cases)


def _number_if_any(aggregate: str) -> str:
    """Null where the aggregate is not a number: there Athena gives null."""
    return f"NULLIF({aggregate}({{all}}){{over}}, CAST('nan' AS DOUBLE))"


_AGGREGATES = {
    "count": _aggregate(
        {"* -> bigint": "COUNT(*){over}", "T -> bigint": "COUNT({all}){over}"},
        rows(
            f"SELECT count(*), count(x), count(DISTINCT x), count(*) FILTER (WHERE x > 2) FROM {_NUMBERS}", (4, 3, 2, 2)
        ),
        rows(f"SELECT count(*), count(x) FROM {_NONE}", (0, 0)),
        takes_distinct=True,
    ),
    "count_if": _aggregate(
        # Over no rows DuckDB's own gives null.
        {"boolean -> bigint": "COUNT(CASE WHEN {0} THEN 1 END){over}"},
        rows(f"SELECT count_if(x > 2), count_if(x > 9) FROM {_NUMBERS}", (2, 0)),
        rows(f"SELECT count_if(x > 2) FROM {_NONE}", (0,)),
    ),
    "sum": _aggregate(
        {"bigint -> bigint": "CAST(SUM({all}){over} AS BIGINT)", "double -> double": "SUM({all}){over}"},
        rows(f"SELECT sum(x), sum(DISTINCT x), sum(x + 0.5e0), sum(x) / 3 FROM {_NUMBERS}", (10, 6, 11.5, 3)),
        rows(f"SELECT sum(x) FROM {_NONE}", (None,)),
        takes_distinct=True,
    ),
    "avg": _aggregate(
        {"double -> double": "AVG({all}){over}"},
        rows(f"SELECT avg(x), avg(DISTINCT x), avg(x + 0.5e0) FROM {_NUMBERS}", (10 / 3, 3.0, 23 / 6)),
        takes_distinct=True,
    ),
    **{
        name: _aggregate(
            {"T -> T": f"{name.upper()}({{all}}){{over}}"},
            rows(f"SELECT {name}(x), {name}(s), {name}(x > 2) FROM {_LABELLED}", found),
        )
        for name, found in (("min", (1, "a", False)), ("max", (4, "c", True)))
    },
    **{
        name: _aggregate(
            # DuckDB's own passes over rows whose first argument is null.
            {"T, U -> T": f"{duckdb}({{all}}){{over}}"},
            rows(f"SELECT {name}(s, x), {name}(s, x) FILTER (WHERE x <> 4) FROM {_LABELLED} WHERE s <> 'b'", found),
            rows(f"SELECT {name}(x, y) FROM (VALUES (1, 5), (NULL, 7), (NULL, 3), (9, NULL)) AS t (x, y)", (None,)),
        )
        for name, duckdb, found in (("min_by", "ARG_MIN_NULL", ("a", "a")), ("max_by", "ARG_MAX_NULL", ("c", "c")))
    },
    **{
        name: _aggregate(
            {"boolean -> boolean": f"{duckdb}({{all}}){{over}}"},
            rows(f"SELECT {name}(x), {name}(x) FILTER (WHERE x IS NULL) FROM {_YES_NO}", (found, None)),
        )
        for name, duckdb, found in (
            ("bool_and", "BOOL_AND", False),
            ("every", "BOOL_AND", False),
            ("bool_or", "BOOL_OR", True),
        )
    },
    **{
        name: _aggregate(
            {"double -> double": f"{duckdb}({{all}}){{over}}"},
            rows(
                f"SELECT {name}(x), {name}(x) FILTER (WHERE x = 2), {name}(x) FILTER (WHERE x > 9) FROM {_DOUBLES}",
                found,
            ),
        )
        for name, duckdb, found in (
            ("stddev", "STDDEV_SAMP", (1.3228756555322954, None, None)),
            ("stddev_samp", "STDDEV_SAMP", (1.3228756555322954, None, None)),
            ("stddev_pop", "STDDEV_POP", (1.0801234497346435, 0.0, None)),
            ("variance", "VAR_SAMP", (1.75, None, None)),
            ("var_samp", "VAR_SAMP", (1.75, None, None)),
            ("var_pop", "VAR_POP", (7 / 6, 0.0, None)),
        )
    },
    **{
        name: _aggregate(
            # Over integers Athena computes in single precision.
            {"double!, double! -> double": duckdb},
            rows(f"SELECT {name}(y, x) FROM {_PAIRS}", (found,)),
            rows(f"SELECT {name}(y, x), {name}(y, x) FILTER (WHERE y = 1e0) FROM {_LEVEL}", level),
        )
        for name, duckdb, found, level in (
            ("corr", _number_if_any("CORR"), 0.9819805060619657, (None, None)),
            ("covar_pop", "COVAR_POP({all}){over}", 1.0, (0.0, 0.0)),
            ("covar_samp", "COVAR_SAMP({all}){over}", 1.5, (0.0, None)),
            ("regr_slope", _number_if_any("REGR_SLOPE"), 9 / 14, (None, None)),
            ("regr_intercept", _number_if_any("REGR_INTERCEPT"), -5 / 14, (None, None)),
        )
    },
    "array_agg": _aggregate(
        {"T -> array(T)": "LIST({all}{order}){over}"},
        rows(
            f"SELECT array_agg(x ORDER BY x DESC), array_agg(x ORDER BY x) FROM {_NUMBERS}",
            ([4, 4, 2, None], [2, 4, 4, None]),
        ),
        rows(
            f"SELECT array_agg(s ORDER BY x, s), array_agg(DISTINCT x ORDER BY x) FROM {_LABELLED}",
            (["a", "b", "c", None], [1, 2, 4]),
        ),
        rows(f"SELECT array_agg(x ORDER BY x) FROM {_NONE}", (None,)),
        takes_distinct=True,
        needs_order=True,
    ),
    "listagg": _aggregate(
        {"varchar, literal -> varchar": "STRING_AGG({all}{order}){over}"},
        rows(f"SELECT listagg(s, ', ') WITHIN GROUP (ORDER BY s DESC) FROM {_LABELLED}", ("c, b, a",)),
        rows("SELECT listagg(s, ',') WITHIN GROUP (ORDER BY s) FROM (VALUES 'a') AS t (s) WHERE s = 'b'", (None,)),
        needs_order=True,
    ),
    "grouping": Function(
        "scalar",
        {"any... -> integer": "CAST(GROUPING({all}) AS INTEGER)"},
        (
            rows(
                "SELECT a, b, grouping(a, b), count(*) FROM (VALUES ('x', 1), ('x', 2)) AS t (a, b) "
                "GROUP BY ROLLUP (a, b) ORDER BY 3, 2",
                *(("x", 1, 0, 1), ("x", 2, 0, 1), ("x", None, 1, 2), (None, None, 3, 2)),
            ),
        ),
    ),
}

_WINDOWS = {
    **{
        name: _window(
            {f" -> {type_}": f"{name.upper()}(){{over}}"},
            rows(f"SELECT x, {name}() OVER (ORDER BY x) {_RANKED}", *zip((10, 20, 20, 40), found, strict=True)),
        )
        for name, type_, found in (
            ("row_number", "bigint", (1, 2, 3, 4)),
            ("rank", "bigint", (1, 2, 2, 4)),
            ("dense_rank", "bigint", (1, 2, 2, 3)),
            ("percent_rank", "double", (0.0, 1 / 3, 1 / 3, 1.0)),
            ("cume_dist", "double", (0.25, 0.75, 0.75, 1.0)),
        )
    },
    "ntile": _window(
        {"bigint -> bigint": "NTILE({0}){over}"},
        rows(f"SELECT x, ntile(3) OVER (ORDER BY x) {_RANKED}", (10, 1), (20, 1), (20, 2), (40, 3)),
    ),
    **{
        name: _window(
            {
                "T -> T": f"{name.upper()}({{0}}{{nulls}}){{over}}",
                "T, bigint -> T": f"{name.upper()}({{0}}, {{1}}{{nulls}}){{over}}",
                "T, bigint, T -> T": f"{name.upper()}({{0}}, {{1}}, {{2}}{{nulls}}){{over}}",
            },
            rows(
                f"SELECT x, {name}(s) OVER (ORDER BY x), {name}(s) IGNORE NULLS OVER (ORDER BY x), "
                f"{name}(s, 2) OVER (ORDER BY x), {name}(s, 1, '-') OVER (ORDER BY x) {_GAPS}",
                *found,
            ),
        )
        for name, found in (
            ("lag", ((1, None, None, None, "-"), (2, "a", "a", None, "a"), (3, None, "a", "a", None))),
            ("lead", ((1, None, "c", "c", None), (2, "c", "c", None, "c"), (3, None, None, None, "-"))),
        )
    },
    **{
        name: _window(
            {"T -> T": f"{name.upper()}({{0}}{{nulls}}){{over}}"},
            rows(
                f"SELECT x, {name}(s) OVER (ORDER BY x DESC), {name}(s) IGNORE NULLS OVER (ORDER BY x ROWS BETWEEN "
                f"1 FOLLOWING AND UNBOUNDED FOLLOWING) {_GAPS}",
                *found,
            ),
        )
        for name, found in (
            ("first_value", ((1, "c", "c"), (2, "c", "c"), (3, "c", None))),
            ("last_value", ((1, "a", "c"), (2, None, "c"), (3, "c", None))),
        )
    },
    "nth_value": _window(
        {"T, bigint -> T": "NTH_VALUE({0}, {1}{nulls}){over}"},
        rows(
            f"SELECT x, nth_value(s, 3) OVER (ORDER BY x), nth_value(s, 2) IGNORE NULLS OVER (ORDER BY x) {_GAPS}",
            *((1, None, None), (2, None, None), (3, "c", "c")),
        ),
    ),
}

FUNCTIONS: Mapping[str, Function] = {**SCALARS, **DATES, **_AGGREGATES, **_WINDOWS}
"""All functions on the list, by name."""

_PERCENTILE = (
    "ROW_NUMBER() OVER (ORDER BY x) beside COUNT(*) OVER (), and of these the x whose number is "
    "CAST(CEILING(p * count) AS bigint)"
)
_ONE_OF = "MIN_BY(x, play_number), or MIN(x)"
_JOINED = "LISTAGG(x, ', ') WITHIN GROUP (ORDER BY x)"
_FORMATTED = "DATE_FORMAT(x, '%Y-%m')"
_ISO_DAY = "DAY_OF_WEEK(x), where 1 is Monday"

INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("approx_percentile", "median", "quantile", "quantile_cont", "percentile_cont"), _PERCENTILE),
    **dict.fromkeys(("any_value", "arbitrary", "first", "arg_min"), _ONE_OF),
    **dict.fromkeys(("last", "arg_max"), "MAX_BY(x, play_number)"),
    **dict.fromkeys(("string_agg", "group_concat"), _JOINED),
    **dict.fromkeys(("strftime", "to_char"), _FORMATTED),
    **dict.fromkeys(("dayofweek", "weekday"), _ISO_DAY),
    **dict.fromkeys(("ifnull", "nvl"), "COALESCE(x, y)"),
    **dict.fromkeys(("instr", "position"), "STRPOS(text, part)"),
    **dict.fromkeys(("generate_series", "range"), "SEQUENCE(start, stop)"),
    "approx_distinct": "COUNT(DISTINCT x)",
    "list": "ARRAY_AGG(x ORDER BY x)",
    "len": "LENGTH(x), or CARDINALITY(x) of an array",
    "char_length": "LENGTH(x)",
    "left": "SUBSTR(x, 1, n)",
    "right": "SUBSTR(x, -n)",
    "datediff": "DATE_DIFF('day', earlier, later)",
    "dateadd": "DATE_ADD('day', n, x)",
    "datetrunc": "DATE_TRUNC('month', x)",
    "date_part": "EXTRACT(HOUR FROM x)",
    "to_date": "CAST(x AS date)",
    "to_timestamp": "CAST(x AS timestamp)",
    "now": "CURRENT_DATE, or a date: DATE '2025-01-31'",
    "try": "TRY_CAST, or NULLIF(y, 0) under a division",
    "regexp_matches": "REGEXP_LIKE(x, pattern)",
    "trunc": "TRUNCATE(x)",
    "log": "LN, LOG2 or LOG10",
}
"""What to write in place of some functions that are not on the list."""
