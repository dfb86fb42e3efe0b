"""The clauses and operators on the allow-list, and the parser that knows no others.

sqlglot reads more than Athena does. So the tokens are looked at first, and every node of the tree after: a node, or a
part of a node, that is not listed here is refused by its name. What the parts mean is decided in `analysis.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import UsingColumnOrder
from sqlglot.dialects.trino import Trino
from sqlglot.errors import SqlglotError
from sqlglot.parsers.trino import TrinoParser

from spotifriend_dagster.lake.dialect.errors import InvalidSQL, UnsupportedSQL
from spotifriend_dagster.lake.dialect.wording import first_line, in_place, shown


class _Parser(TrinoParser):
    """Trino's grammar. Functions stay what they are written as: what they mean is said in our own list alone."""

    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        name: TrinoParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST", "EXTRACT")
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, type[exp.Expr]]] = {TokenType.CURRENT_DATE: exp.CurrentDate}


class Athena(Trino):
    """Athena's dialect, as far as it is supported here."""

    USING_COLUMN_ORDER = UsingColumnOrder.USING_LIST
    Parser = _Parser


PARTS: Mapping[type[exp.Expr], frozenset[str]] = {
    getattr(exp, name): frozenset(parts.split())
    for name, parts in {
        "Select": "with_ expressions distinct from_ joins where group having windows order limit offset",
        "Union": "with_ this expression distinct order limit offset",
        "Intersect": "with_ this expression distinct order limit offset",
        "Except": "with_ this expression distinct order limit offset",
        "With": "expressions",
        "CTE": "this alias",
        "Subquery": "this alias",
        "From": "this",
        "Join": "this on side kind using",
        "Table": "this alias",
        "TableAlias": "this columns",
        "Values": "expressions alias",
        "Unnest": "expressions alias offset",
        "Where": "this",
        "Group": "expressions",
        "GroupingSets": "expressions",
        "Rollup": "expressions",
        "Cube": "expressions",
        "Having": "this",
        "Order": "this expressions",
        "Ordered": "this desc nulls_first",
        "Limit": "expression",
        "Offset": "expression",
        "Distinct": "expressions",
        "Window": "this partition_by order spec alias over",
        "WindowSpec": "kind start start_side end end_side",
        "Filter": "this expression",
        "WithinGroup": "this expression",
        "IgnoreNulls": "this",
        "Alias": "this alias",
        "Column": "this table",
        "Identifier": "this quoted",
        "Star": "",
        "Anonymous": "this expressions",
        "Literal": "this is_string",
        "Boolean": "this",
        "Null": "",
        "Array": "expressions",
        "Interval": "this unit",
        "Var": "this",
        "CurrentDate": "",
        "Paren": "this",
        "Tuple": "expressions",
        "Case": "this ifs default",
        "If": "this true false",
        "Cast": "this to",
        "TryCast": "this to safe",
        "DataType": "this expressions nested",
        "DataTypeParam": "this",
        "Extract": "this expression",
        "Exists": "this",
        "In": "this expressions query",
        "Between": "this low high",
        "Like": "this expression negate",
        "Escape": "this expression",
        "Is": "this expression",
        "NullSafeEQ": "this expression",
        "NullSafeNEQ": "this expression",
        "Not": "this",
        "Neg": "this",
        **dict.fromkeys(
            ("And", "Or", "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "Add", "Sub", "Mul", "Mod"), "this expression"
        ),
        "Div": "this expression typed",
        "DPipe": "this expression",
    }.items()
}
"""The nodes that are taken, and of each the parts that are."""

_SIGNS = frozenset(("||", "<>", "!=", "<=", ">=", "->", *"()[],.;+-*/%=<>"))

CAST_TYPES: Mapping[str, str] = {
    **{name: name for name in ("boolean", "integer", "bigint", "double", "varchar", "date", "timestamp")},
    "array(varchar)": "array(varchar)",
    "int": "integer",
}
"""The types that a CAST may name, by that name."""

_INSTEAD_OF_WORD = {
    "ILIKE": "LOWER(x) LIKE 'pattern'",
    "QUALIFY": "a WHERE around the query",
    **dict.fromkeys(
        ("CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME"),
        "CURRENT_DATE, or an instant: TIMESTAMP '2025-01-31 12:00:00'",
    ),
    "RLIKE": "REGEXP_LIKE(x, pattern)",
    "REGEXP": "REGEXP_LIKE(x, pattern)",
    "PIVOT": "COUNT(*) FILTER (WHERE …), one for each column",
    "EXCLUDE": "the columns by name",
}
_INSTEAD_OF_SIGN = {
    "::": "CAST(x AS type)",
    "==": "=",
    "&&": "AND",
    "!": "NOT",
    "//": "/, which between integers cuts the fraction off",
    "**": "POWER(x, y)",
    "^": "POWER(x, y)",
    "`": "double quotes around names",
}
_INSTEAD_OF_NODE: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.AtTimeZone: ("AT TIME ZONE", "the columns named local_*"),
    exp.Fetch: ("FETCH FIRST", "LIMIT"),
    exp.Lambda: ("A function written with ->", "CROSS JOIN UNNEST, and an aggregate"),
    exp.IntervalSpan: ("An interval from one unit to another", "the smaller unit alone"),
    exp.TableSample: ("TABLESAMPLE", "a WHERE"),
    exp.Any: ("ANY", "IN or EXISTS"),
    exp.All: ("ALL", "NOT EXISTS"),
}

_INTERVAL_UNITS = {
    **dict.fromkeys(("YEAR", "MONTH"), "interval month"),
    "DAY": "interval day",
    **dict.fromkeys(("HOUR", "MINUTE", "SECOND"), "interval time"),
}
# Trino's reserved words: no name unless in double quotes.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_CATALOG CURRENT_DATE
        CURRENT_PATH CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEALLOCATE
        DELETE DESCRIBE DISTINCT DROP ELSE END ESCAPE EXCEPT EXECUTE EXISTS EXTRACT FALSE FOR FROM FULL
        GROUP GROUPING HAVING IN INNER INSERT INTERSECT INTO IS JOIN JSON_ARRAY JSON_EXISTS JSON_OBJECT
        JSON_QUERY JSON_TABLE JSON_VALUE LEFT LIKE LISTAGG LOCALTIME LOCALTIMESTAMP NATURAL NORMALIZE NOT
        NULL ON OR ORDER OUTER PREPARE RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN TRIM TRUE UESCAPE UNION
        UNNEST USING VALUES WHEN WHERE WITH
        """,
    )
)


def parse(sql: str) -> exp.Query:
    """One SELECT (or a set operation) as a tree in which every node is on the list.

    Raises:
        InvalidSQL: it is no query, more than one, or not Athena's grammar.
        UnsupportedSQL: it holds what is not on the list.
    """
    dialect = Athena()
    try:
        tokens = dialect.tokenize(sql)
    except SqlglotError as error:
        raise InvalidSQL(f"The SQL cannot be read: {first_line(error)}") from error
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    _check_tokens(tokens)
    try:
        tree = dialect.parser().parse(tokens, sql)[0]
        if not isinstance(tree, exp.Query):
            raise InvalidSQL("Only queries are run here, nothing that changes a table: begin with SELECT or WITH.")
        _check_nodes(tree)
    except SqlglotError as error:
        raise InvalidSQL(f"The SQL cannot be read: {first_line(error)}") from error
    except RecursionError as error:
        raise InvalidSQL("The query is nested too deeply.") from error
    _check_words_kept(tokens, tree)
    for identifier in tree.find_all(exp.Identifier):  # Athena's names have no case, in quotes or not
        identifier.set("this", identifier.name.lower())
        identifier.meta["in_quotes"] = identifier.args.get("quoted")
    _name_columns(tree)
    return tree


def nodes_used(tree: exp.Query) -> frozenset[str]:
    """The names of the nodes of a tree, and of the parts that they have."""
    return frozenset(
        name
        for node in tree.walk()
        for name in (_rule(type(node)), *(_rule(type(node), part) for part, value in node.args.items() if value))
    )


def node_rules() -> frozenset[str]:
    """The names of all nodes on the list, and of their parts."""
    return frozenset(
        name for node, parts in PARTS.items() for name in (_rule(node), *(_rule(node, part) for part in parts))
    )


def interval_type(node: exp.Interval) -> str:
    """The type of an interval that is written out."""
    return _INTERVAL_UNITS[node.args["unit"].name.upper()]


def _name_columns(tree: exp.Query) -> None:
    """Give the columns that have no name the one that Athena gives them; sqlglot would give some that of a part."""
    for select in tree.find_all(exp.Select):
        named = [
            column
            if isinstance(column, (exp.Alias, exp.Star)) or isinstance(column.unnest(), exp.Column)
            else exp.Alias(this=column, alias=exp.to_identifier(f"_col{position}", quoted=True))
            for position, column in enumerate(select.expressions)
        ]
        select.set("expressions", named)


def _check_tokens(tokens: list[Token]) -> None:
    if not tokens:
        raise InvalidSQL("There is no query: write SELECT ….")
    if tokens[0].token_type not in (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN):
        if tokens[0].token_type == TokenType.FROM:
            raise InvalidSQL("Every query begins with SELECT: SELECT * FROM ….")
        raise InvalidSQL("Only queries are run here, nothing that changes a table: begin with SELECT or WITH.")
    for token in tokens:
        _check_token(token)
    for token, following in pairwise(tokens):
        _check_neighbours(token, following)
    for position, token in enumerate(tokens[:-1]):
        if token.text.upper() in ("CAST", "TRY_CAST") and tokens[position + 1].token_type == TokenType.L_PAREN:
            _check_cast(tokens, position + 1)
    ended = [*tokens, tokens[-1], tokens[-1]]
    for token, following, third in zip(ended, ended[1:], ended[2:], strict=False):
        _check_three(token, following, third)


def _check_words_kept(tokens: list[Token], tree: exp.Query) -> None:
    """Refuse what sqlglot reads although a word is missing there: a query without SELECT, a join without ON."""
    words = Counter(token.token_type for token in tokens)
    if words[TokenType.SELECT] != sum(1 for _ in tree.find_all(exp.Select)):
        raise InvalidSQL("Every query begins with SELECT: SELECT * FROM ….")
    if words[TokenType.JOIN] != sum(not _is_comma(join) for join in tree.find_all(exp.Join)):
        raise InvalidSQL("A join has its condition after ON or USING; only a CROSS JOIN has none.")


def _check_cast(tokens: list[Token], start: int) -> None:
    """Refuse a type by a name that Athena does not know; `start` is the parenthesis after CAST."""
    depth, last_as = 0, start
    for position in range(start, len(tokens)):
        kind = tokens[position].token_type
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if depth == 1 and kind == TokenType.ALIAS:
            last_as = position
        if depth == 0:
            name = "".join(token.text for token in tokens[last_as + 1 : position]).lower()
            if name not in CAST_TYPES:
                known = ", ".join(CAST_TYPES)
                raise UnsupportedSQL(f"CAST to {name} is not supported; there are {known}.")
            return


def _check_token(token: Token) -> None:
    if token.token_type == TokenType.SEMICOLON:
        raise InvalidSQL("This is more than one statement: write one query, without a semicolon in it.")
    if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
        return
    if token.token_type == TokenType.NUMBER:
        if not re.fullmatch(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", token.text):
            raise UnsupportedSQL(f"The number {token.text} is written in digits alone: 1000, 0.5E0.")
        return
    text = token.text.upper()
    if token.token_type.name.endswith("_STRING"):
        raise UnsupportedSQL(f"A text with a letter before its quotes is not supported: {token.text!r}.")
    if not (text in _SIGNS or re.fullmatch(r"[A-Z_][A-Z0-9_]*( [A-Z]+)*", re.sub(r"\s+", " ", text))):
        raise UnsupportedSQL(f"{token.text} is not Athena's SQL{in_place(_INSTEAD_OF_SIGN.get(token.text))}")
    if text in _INSTEAD_OF_WORD:
        raise UnsupportedSQL(f"{text} is not supported{in_place(_INSTEAD_OF_WORD[text])}")


def _check_neighbours(token: Token, following: Token) -> None:
    if token.token_type == TokenType.COMMA and following.token_type in (TokenType.FROM, TokenType.R_PAREN):
        raise InvalidSQL(f"There is a comma too many before {following.text}.")
    if following.token_type == TokenType.L_BRACKET and token.text.upper() != "ARRAY":
        raise UnsupportedSQL("[ is supported in ARRAY[1, 2] alone; for x[i] write ELEMENT_AT(x, i).")
    if token.token_type == TokenType.NUMBER and token.end + 1 == following.start and following.text not in _SIGNS:
        raise UnsupportedSQL(f"The number {token.text}{following.text} is written in digits alone: 1000, 0.5E0.")


def _check_three(token: Token, following: Token, third: Token) -> None:
    if token.token_type == TokenType.INTERVAL and not (
        following.token_type == TokenType.STRING and following.text.isdigit() and third.text.upper() in _INTERVAL_UNITS
    ):
        raise UnsupportedSQL(
            f"INTERVAL {following.text} {third.text} is not supported: write a whole number in quotes and one unit in "
            "the singular, INTERVAL '1' DAY."
        )
    if (token.token_type, following.token_type) == (TokenType.LIMIT, TokenType.NUMBER):
        if third.token_type == TokenType.OFFSET:
            raise InvalidSQL("Athena's SQL has OFFSET before LIMIT.")
        if third.token_type == TokenType.COMMA:
            raise InvalidSQL("Athena's SQL has no LIMIT of two numbers: write OFFSET 5 LIMIT 10.")


def _check_nodes(tree: exp.Query) -> None:
    for node in tree.walk():
        if check := _CHECKS.get(type(node)):
            check(node)
        parts = PARTS.get(type(node))
        if parts is None:
            what, instead = _INSTEAD_OF_NODE.get(type(node), (shown(node), None))
            raise UnsupportedSQL(f"{what} is not supported{in_place(instead)}")
        for part, value in node.args.items():
            if value and part not in parts:
                raise UnsupportedSQL(f"{part.strip('_').upper().replace('_', ' ')} is not supported in {shown(node)}.")


def _check_identifier(node: exp.Identifier) -> None:
    if not node.args.get("quoted") and node.name.upper() in _RESERVED:
        raise InvalidSQL(f'{node.name} is a word of Athena\'s SQL: as a name, write it "{node.name}", or take another.')


def _check_select(node: exp.Select) -> None:
    if not node.expressions:
        raise InvalidSQL("A SELECT names its columns, or all of them: SELECT *.")


def _check_join(node: exp.Join) -> None:
    if (
        node.kind not in ("", "INNER", "OUTER", "CROSS")
        or node.side not in ("", "LEFT", "RIGHT", "FULL")
        or (node.kind == "OUTER" and not node.side)
    ):
        raise UnsupportedSQL(f"{shown(node)} is not supported: join by INNER, LEFT, RIGHT, FULL or CROSS JOIN.")
    if not _is_comma(node) and _has_condition(node) == (node.kind == "CROSS"):
        raise InvalidSQL("A join has its condition after ON or USING; only a CROSS JOIN has none.")


def _has_condition(node: exp.Join) -> bool:
    return bool(node.args.get("on") or node.args.get("using"))


def _is_comma(node: exp.Join) -> bool:
    return not (node.kind or node.side or node.method or _has_condition(node))


def _check_limit(node: exp.Limit | exp.Offset) -> None:
    if not (isinstance(node.expression, exp.Literal) and node.expression.is_int):
        raise UnsupportedSQL(f"{shown(node)} is not supported: write a whole number.")


def _check_unnest(node: exp.Unnest) -> None:
    alias = node.args.get("alias")
    if len(node.expressions) != 1 or not (alias and alias.columns):
        raise UnsupportedSQL("UNNEST takes one array, and its column is named: UNNEST(x) AS t (y).")


def _check_values(node: exp.Values) -> None:
    alias = node.args.get("alias")
    if isinstance(node.parent, (exp.From, exp.Join, exp.Subquery)) and not (alias and alias.columns):
        raise UnsupportedSQL("The columns of VALUES are named: (VALUES (1, 'a')) AS t (x, y).")
    if len({len(row.expressions) if isinstance(row, exp.Tuple) else 1 for row in node.expressions}) > 1:
        raise InvalidSQL("The rows of VALUES have different numbers of columns.")


def _check_table(node: exp.Table) -> None:
    if not isinstance(node.this, exp.Identifier):
        raise UnsupportedSQL(f"{shown(node)} is not a table of the catalog.")
    if not re.fullmatch(r"\w+", node.name):  # a table's name is part of keys and paths
        raise InvalidSQL(f"There is no table {node.name}.")
    if node.args.get("db"):
        raise UnsupportedSQL(f"{shown(node)}: a table is written by its name alone, {node.name}.")


def _check_tuple(node: exp.Tuple) -> None:
    if not isinstance(node.parent, (exp.Values, exp.Group, exp.GroupingSets, exp.Rollup, exp.Cube)):
        raise UnsupportedSQL(f"The row {shown(node)} is not supported: compare column by column.")


def _check_set_operation(node: exp.SetOperation) -> None:
    if not node.args.get("distinct") and not isinstance(node, exp.Union):
        raise UnsupportedSQL(f"{node.key.upper()} ALL is not supported.")


_CHECKS: Mapping[type[exp.Expr], Any] = {
    exp.Identifier: _check_identifier,
    exp.Select: _check_select,
    exp.Join: _check_join,
    exp.Limit: _check_limit,
    exp.Offset: _check_limit,
    exp.Unnest: _check_unnest,
    exp.Values: _check_values,
    exp.Table: _check_table,
    exp.Tuple: _check_tuple,
    exp.Intersect: _check_set_operation,
    exp.Except: _check_set_operation,
}


def _rule(node: type[exp.Expr], part: str = "") -> str:
    return f"{node.__name__}.{part}" if part else node.__name__
