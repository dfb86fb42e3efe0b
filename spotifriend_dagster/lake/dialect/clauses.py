"""The cases of clauses and operators; those of functions and casts are beside their forms."""

from __future__ import annotations

from datetime import date, datetime

from spotifriend_dagster.lake.dialect.case import Case, gives, rows

_T = "(VALUES (1, 'a'), (2, 'b'), (3, NULL)) AS t (x, s)"
_U = "(VALUES (2, 'p'), (3, 'q'), (4, 'r')) AS u (x, v)"

_QUERIES = (
    rows(f"SELECT t.x AS y, s FROM {_T} WHERE x > 1 ORDER BY y DESC", (3, None), (2, "b")),
    rows(f"SELECT * FROM {_T} ORDER BY x LIMIT 2", (1, "a"), (2, "b")),
    rows(f"SELECT t.* FROM {_T} ORDER BY x OFFSET 1 LIMIT 1", (2, "b")),
    rows(f"SELECT x FROM {_T} ORDER BY x OFFSET 2", (3,)),
    rows('SELECT "X" AS "Some name" FROM (VALUES 1) AS t (x)', (1,)),
    rows("SELECT DISTINCT x % 2 AS odd FROM (VALUES 1, 2, 3) AS t (x) ORDER BY odd", (0,), (1,)),
    rows("WITH a AS (SELECT 1 AS x), b (y) AS (SELECT x + 1 FROM a) SELECT x, y FROM a CROSS JOIN b", (1, 2)),
    rows("SELECT y FROM (SELECT x + 1 AS y FROM (VALUES 1) AS t (x)) AS d", (2,)),
    rows("SELECT d.y FROM (SELECT 1) AS d (y)", (1,)),
    rows("WITH a AS (SELECT 1 AS x) SELECT b.x FROM a AS b", (1,)),
    # Nulls are last, in either direction.
    rows(f"SELECT s FROM {_T} ORDER BY s", ("a",), ("b",), (None,)),
    rows(f"SELECT s FROM {_T} ORDER BY s DESC", ("b",), ("a",), (None,)),
    rows(f"SELECT s FROM {_T} ORDER BY s NULLS FIRST", (None,), ("a",), ("b",)),
    rows(f"SELECT s FROM {_T} ORDER BY 1 DESC NULLS FIRST", (None,), ("b",), ("a",)),
    # In ORDER BY a name is first that of an output.
    rows("SELECT x AS y, -x AS x FROM (VALUES 1, 2) AS t (x) ORDER BY x", (2, -2), (1, -1)),
    rows("SELECT x AS y, -x AS x FROM (VALUES 1, 2) AS t (x) ORDER BY x + 0", (2, -2), (1, -1)),
)

_JOINS = (
    rows(f"SELECT t.x, v FROM {_T} INNER JOIN {_U} ON t.x = u.x ORDER BY t.x", (2, "p"), (3, "q")),
    rows(f"SELECT t.x, v FROM {_T} JOIN {_U} ON t.x < u.x AND v = 'p'", (1, "p")),
    rows(f"SELECT t.x, v FROM {_T} LEFT JOIN {_U} ON t.x = u.x ORDER BY t.x", (1, None), (2, "p"), (3, "q")),
    rows(f"SELECT t.x, v FROM {_T} RIGHT OUTER JOIN {_U} ON t.x = u.x ORDER BY v", (2, "p"), (3, "q"), (None, "r")),
    rows(
        f"SELECT t.x, v FROM {_T} FULL JOIN {_U} ON t.x = u.x ORDER BY t.x, v",
        *((1, None), (2, "p"), (3, "q"), (None, "r")),
    ),
    rows("SELECT * FROM (VALUES (1, 2)) AS a (x, y) JOIN (VALUES (3, 1)) AS b (z, x) USING (x)", (1, 2, 3)),
    rows("SELECT x, s, v FROM (VALUES (5, 'a')) AS a (y, s) CROSS JOIN (VALUES (1, 'b')) AS b (x, v)", (1, "a", "b")),
    rows("SELECT x, y FROM (VALUES 1) AS a (x), (VALUES 2) AS b (y)", (1, 2)),
    rows(
        "SELECT x, y FROM (VALUES ARRAY[5, 6]) AS t (x) CROSS JOIN UNNEST(x) AS u (y) ORDER BY y",
        ([5, 6], 5),
        ([5, 6], 6),
    ),
    rows(
        "SELECT y, n FROM (VALUES ARRAY['a', 'b']) AS t (x) CROSS JOIN UNNEST(x) WITH ORDINALITY AS u (y, n) "
        "ORDER BY n",
        *(("a", 1), ("b", 2)),
    ),
    rows(
        "SELECT n, y FROM (VALUES (1, ARRAY['a']), (2, NULL)) AS t (n, x) LEFT JOIN UNNEST(x) AS u (y) ON TRUE "
        "ORDER BY n",
        *((1, "a"), (2, None)),
    ),
    rows(
        "SELECT day FROM UNNEST(SEQUENCE(DATE '2024-02-28', DATE '2024-03-01')) AS days (day) ORDER BY day",
        *((date(2024, 2, 28),), (date(2024, 2, 29),), (date(2024, 3, 1),)),
    ),
)

_GROUPS = (
    rows("SELECT x % 2, count(*) FROM (VALUES 1, 2, 3) AS t (x) GROUP BY x % 2 HAVING count(*) > 1", (1, 2)),
    rows(
        "SELECT x % 2 AS odd, sum(x) AS total FROM (VALUES 1, 2, 3) AS t (x) GROUP BY 1 ORDER BY total", (0, 2), (1, 4)
    ),
    rows("SELECT sum(y) AS y FROM (VALUES (1, 5), (1, 5), (2, 7)) AS t (x, y) GROUP BY x, y HAVING y > 6", (7,)),
    rows("SELECT max(x) FROM (VALUES (1, 2), (1, 3), (2, 1)) AS t (x, y) GROUP BY x ORDER BY max(y) DESC", (1,), (2,)),
    rows(
        "SELECT a, b, sum(x) FROM (VALUES ('m', 'p', 1), ('m', 'q', 2)) AS t (a, b, x) "
        "GROUP BY GROUPING SETS ((a, b), (a), ()) ORDER BY 3, 1",
        *(("m", "p", 1), ("m", "q", 2), ("m", None, 3), (None, None, 3)),
    ),
    rows(
        "SELECT a, sum(x) FROM (VALUES ('m', 1), ('n', 2)) AS t (a, x) GROUP BY ROLLUP (a) ORDER BY 2",
        ("m", 1),
        ("n", 2),
        (None, 3),
    ),
    rows(
        "SELECT a, b, count(*) FROM (VALUES ('m', 'p')) AS t (a, b) GROUP BY CUBE (a, b) ORDER BY 1, 2",
        *(("m", "p", 1), ("m", None, 1), (None, "p", 1), (None, None, 1)),
    ),
)

_SETS = (
    rows("SELECT 1 AS x UNION ALL SELECT 1 UNION ALL SELECT 2 ORDER BY x DESC LIMIT 2", (2,), (1,)),
    rows("SELECT 1 AS x UNION SELECT 1 UNION SELECT 2 ORDER BY 1 OFFSET 1 LIMIT 5", (2,)),
    rows("SELECT 1 AS x UNION ALL SELECT 2.5e0 ORDER BY x", (1.0,), (2.5,)),
    rows(
        "SELECT x FROM (VALUES 1, 2, 2, 3) AS t (x) INTERSECT SELECT x FROM (VALUES 2, 3) AS u (x) ORDER BY x",
        (2,),
        (3,),
    ),
    rows("SELECT x FROM (VALUES 3, 1, 2, 2) AS t (x) EXCEPT SELECT 2 ORDER BY x OFFSET 1 LIMIT 1", (3,)),
    rows("SELECT x FROM (VALUES 2, 1) AS t (x) INTERSECT SELECT 1 ORDER BY x OFFSET 0 LIMIT 1", (1,)),
    rows("WITH a AS (SELECT 1 AS x) SELECT x FROM a UNION ALL SELECT x + 1 FROM a ORDER BY x", (1,), (2,)),
    rows("WITH a AS (SELECT 1 AS x) SELECT x FROM a INTERSECT SELECT x FROM a", (1,)),
    rows("WITH a AS (SELECT 1 AS x) SELECT x FROM a EXCEPT SELECT x + 1 FROM a", (1,)),
)

_WINDOWS = (
    rows(
        "SELECT x, sum(x) OVER (ORDER BY x), count(*) OVER () FROM (VALUES 1, 2, 2) AS t (x) ORDER BY x",
        *((1, 1, 3), (2, 5, 3), (2, 5, 3)),
    ),
    rows(
        "SELECT x, sum(x) OVER w, avg(x) OVER w FROM (VALUES ('a', 1), ('a', 3), ('b', 5)) AS t (s, x) "
        "WINDOW w AS (PARTITION BY s ORDER BY x) ORDER BY x",
        *((1, 1, 1.0), (3, 4, 2.0), (5, 5, 5.0)),
    ),
    rows(
        "SELECT x, sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), sum(x) OVER (ORDER BY x ROWS 1 "
        "PRECEDING), count(*) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING) "
        "FROM (VALUES 1, 2, 4) AS t (x) ORDER BY x",
        *((1, 1, 1, 2), (2, 3, 3, 3), (4, 6, 6, 3)),
    ),
    rows(
        "SELECT x, sum(x) OVER (ORDER BY x GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW), sum(x) OVER (ORDER BY x RANGE "
        "BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM (VALUES 1, 2, 2, 4) AS t (x) ORDER BY x",
        *((1, 1, 5), (2, 5, 5), (2, 5, 5), (4, 8, 4)),
    ),
    rows(
        "SELECT x, sum(x) OVER (ORDER BY d RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW), sum(x) OVER "
        "(ORDER BY d RANGE BETWEEN INTERVAL '1' MONTH PRECEDING AND CURRENT ROW) FROM (VALUES (1, DATE '2024-01-31'), "
        "(2, DATE '2024-02-28'), (4, DATE '2024-02-29')) AS t (x, d) ORDER BY x",
        *((1, 1, 1), (2, 2, 3), (4, 6, 7)),
    ),
    rows(
        "SELECT x, sum(x) OVER (ORDER BY at RANGE BETWEEN INTERVAL '90' SECOND PRECEDING AND CURRENT ROW), sum(x) OVER "
        "(ORDER BY at RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW), sum(x) OVER "
        "(ORDER BY at RANGE BETWEEN INTERVAL '1' MONTH PRECEDING AND CURRENT ROW) FROM (VALUES "
        "(1, TIMESTAMP '2024-01-31 23:59:00'), (2, TIMESTAMP '2024-02-01 00:00:30'), "
        "(4, TIMESTAMP '2024-02-02 00:00:00')) AS t (x, at) ORDER BY x",
        *((1, 1, 1, 1), (2, 3, 3, 3), (4, 4, 6, 7)),
    ),
    rows("SELECT x, sum(count(*)) OVER () FROM (VALUES 1, 1, 2) AS t (x) GROUP BY x ORDER BY x", (1, 3), (2, 3)),
    rows(
        "SELECT x, count_if(x > 1) OVER (ORDER BY x) FROM (VALUES 1, 2) AS t (x) ORDER BY x",
        *((1, 0), (2, 1)),
    ),
    rows("SELECT x FROM (VALUES 1, 2, 3) AS t (x) ORDER BY row_number() OVER (ORDER BY x DESC)", (3,), (2,), (1,)),
)

_OPERATORS = (
    gives("1 + 2, 5 - 7, 3 * 4, -(2), 7 / 2, -7 / 2, 7 % 3, -7 % 3", 3, -2, 12, -2, 3, -3, 1, -1),
    gives("CAST(7 AS bigint) / 2, CAST(7 AS bigint) % 2, CAST(7 AS bigint) + 1, CAST(7 AS bigint) - 1", 3, 1, 8, 6),
    gives("CAST(7 AS bigint) * 2, 3000000000 * 2, 3000000000 / 7", 14, 6000000000, 428571428),
    gives("7 / 2e0, 7e0 / 2, 1e0 + 1, 1.5 * 2e0, 2e0 - 0.5", 3.5, 3.5, 2.0, 3.0, 1.5),
    gives("1e0 / NULLIF(0, 0), 1 / NULLIF(0, 0), 6 / 3 / 2, 6 - (3 - 2)", None, None, 1, 5),
    gives("1 = 1, 1 <> 2, 1 != 1, 1 < 2, 2 <= 2, 3 > 4, 4 >= 4", True, True, False, True, True, False, True),
    gives("1 = 1e0, 2 > 1e0, 0.5 < 1e0, 'a' < 'B', 'a' = 'a '", True, True, True, False, False),
    gives("DATE '2024-01-02' > TIMESTAMP '2024-01-01 23:00:00', DATE '2024-01-02' = DATE '2024-01-02'", True, True),
    gives(
        "NULL = 1, NULL IS NULL, 1 IS NOT NULL, NULL IS DISTINCT FROM 1, NULL IS NOT DISTINCT FROM NULL",
        None,
        True,
        True,
        True,
        True,
    ),
    gives("true AND NULL, false AND NULL, true OR NULL, NOT NULL, NOT false", None, False, True, None, True),
    gives("2 BETWEEN 1 AND 2, 2 NOT BETWEEN 3 AND 4, 2 BETWEEN NULL AND 1", True, True, False),
    gives("1 IN (1, NULL), 1 NOT IN (2, NULL), 'a' IN ('b')", True, None, False),
    gives(
        "'abc' LIKE 'a%', 'abc' LIKE 'A_c', 'a_c' LIKE 'a$_c' ESCAPE '$', 'abc' NOT LIKE 'a$_c' ESCAPE '$'",
        True,
        False,
        True,
        True,
    ),
    gives(r"'a\b' = 'a\b', 'a\b' LIKE 'a\b', 'a%' LIKE 'a\%', 'a''b\''c'", True, True, False, "a'b\\'c"),
    gives("'a' || 'b' || 'c', 'a' || CAST(NULL AS varchar)", "abc", None),
    gives(
        "'it''s', true, false, NULL, 1.5E0, .5e1, DATE '2024-01-31'",
        "it's",
        True,
        False,
        None,
        1.5,
        5.0,
        date(2024, 1, 31),
    ),
    gives(
        "TIMESTAMP '2024-01-31 01:02:03.456', TIMESTAMP '2024-01-31 01:02'",
        datetime(2024, 1, 31, 1, 2, 3, 456000),
        datetime(2024, 1, 31, 1, 2),
    ),
    gives("CASE WHEN 1 > 2 THEN 'a' WHEN NULL THEN 'b' END, CASE WHEN true THEN 1 ELSE 2e0 END", None, 1.0),
    gives("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END, IF(1 > 2, 'a', 'b'), IF(false, 1)", "b", "b", None),
    gives(
        "DATE '2024-01-31' + INTERVAL '1' MONTH, DATE '2024-03-31' - INTERVAL '1' MONTH, "
        "INTERVAL '1' DAY + DATE '2024-01-31', DATE '2024-02-29' + INTERVAL '1' YEAR, "
        "DATE '2024-03-01' - INTERVAL '1' DAY",
        *(date(2024, 2, 29), date(2024, 2, 29), date(2024, 2, 1), date(2025, 2, 28), date(2024, 2, 29)),
    ),
    gives(
        "TIMESTAMP '2024-01-31 10:00:00' + INTERVAL '90' MINUTE, TIMESTAMP '2024-01-31 10:00:00' - INTERVAL '1' DAY, "
        "TIMESTAMP '2024-01-31 10:00:00' + INTERVAL '1' MONTH, TIMESTAMP '2024-01-31 10:00:00' - INTERVAL '11' HOUR, "
        "TIMESTAMP '2024-01-31 10:00:00' - INTERVAL '1' SECOND",
        datetime(2024, 1, 31, 11, 30),
        datetime(2024, 1, 30, 10),
        datetime(2024, 2, 29, 10),
        datetime(2024, 1, 30, 23),
        datetime(2024, 1, 31, 9, 59, 59),
    ),
    *(
        gives(f"EXTRACT({part} FROM DATE '2024-12-30'), EXTRACT({part} FROM TIMESTAMP '2024-12-29 05:06:07')", *values)
        for part, values in (
            ("YEAR", (2024, 2024)),
            ("QUARTER", (4, 4)),
            ("MONTH", (12, 12)),
            ("WEEK", (1, 52)),
            ("DAY", (30, 29)),
            ("DAY_OF_MONTH", (30, 29)),
            ("DAY_OF_WEEK", (1, 7)),
            ("DOW", (1, 7)),
            ("DAY_OF_YEAR", (365, 364)),
            ("DOY", (365, 364)),
            ("YEAR_OF_WEEK", (2025, 2024)),
            ("YOW", (2025, 2024)),
        )
    ),
    gives(
        ", ".join(f"EXTRACT({part} FROM TIMESTAMP '2024-12-29 05:06:07')" for part in ("HOUR", "MINUTE", "SECOND")),
        5,
        6,
        7,
    ),
    gives("CURRENT_DATE >= DATE '2024-01-01'", True),
    gives("ARRAY['a', NULL], ARRAY[1, 2]", ["a", None], [1, 2]),
)

_SUBQUERIES = (
    rows(f"SELECT x FROM {_T} WHERE x IN (SELECT x FROM {_U}) ORDER BY x", (2,), (3,)),
    rows(f"SELECT x FROM {_T} WHERE EXISTS (SELECT 1 FROM {_U} WHERE u.x = t.x AND v = 'p')", (2,)),
    rows(f"SELECT x FROM {_T} WHERE NOT EXISTS (SELECT 1 FROM {_U} WHERE u.x = t.x)", (1,)),
    rows(
        f"SELECT x, (SELECT max(v) FROM {_U} WHERE u.x = t.x) AS v FROM {_T} ORDER BY x", (1, None), (2, "p"), (3, "q")
    ),
    rows(f"SELECT (SELECT count(*) FROM {_T}) + 1", (4,)),
)

CLAUSE_CASES: tuple[Case, ...] = (
    *_QUERIES,
    *_JOINS,
    *_GROUPS,
    *_SETS,
    *_WINDOWS,
    *_OPERATORS,
    *_SUBQUERIES,
)
