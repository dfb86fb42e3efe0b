"""What is written out in text literals, in Athena's words and in DuckDB's: formats, regular expressions, JSON paths."""

from __future__ import annotations

import re

from spotifriend_dagster.lake.dialect.errors import UnsupportedSQL

FORMAT_LETTERS = {
    "Y": "%Y",
    "y": "%y",
    "m": "%m",
    "c": "%-m",
    "M": "%B",
    "b": "%b",
    "d": "%d",
    "e": "%-d",
    "j": "%j",
    "W": "%A",
    "a": "%a",
    "H": "%H",
    "k": "%-H",
    "h": "%I",
    "I": "%I",
    "l": "%-I",
    "i": "%M",
    "s": "%S",
    "S": "%S",
    "f": "%f",
    "p": "%p",
    "T": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "v": "%V",
    "x": "%G",
    "%": "%%",
}
"""DuckDB's form of each letter of a `date_format` (MySQL's letters)."""

_PATTERN = re.compile(
    r"""(?: \\[.\[\](){}*+?|^$/\\-]               # an escaped sign
        | \[\^?(?:[^\[\]\\&]|\\[\[\]\\^-])+\]     # a set of characters
        | [^\\\[\]]                               # what stands for itself, repeats, or groups
    )*""",
    re.VERBOSE | re.DOTALL,
)
_SIGN_OR_SET = r"(\\.|\[\^?(?:\\.|[^\]\\])+\])"


def strftime_format(text: str) -> str:
    """A format of `date_format` as one of DuckDB's `strftime`."""

    def translated(match: re.Match[str]) -> str:
        if match[1] not in FORMAT_LETTERS:
            known = " ".join(f"%{letter}" for letter in FORMAT_LETTERS)
            raise UnsupportedSQL(f"DATE_FORMAT does not take {match[0]} here; it takes {known}.")
        return FORMAT_LETTERS[match[1]]

    return re.sub(r"%(.?)", translated, text, flags=re.DOTALL)


def portable_pattern(pattern: str) -> str:
    r"""A regular expression of Athena as one of RE2, in DuckDB.

    Classes such as `\w` are refused: in one engine they hold all letters, in the other those of ASCII. `$` also stands
    before a line's end that ends the text, in Athena alone.
    """
    if not _PATTERN.fullmatch(pattern) or "(?" in pattern:
        raise UnsupportedSQL(
            f"The regular expression {pattern!r} may match otherwise in the other engine; use plain characters, sets "
            "such as [0-9A-Za-z_], groups, | and repetitions, and \\ only before a sign that stands for itself."
        )
    return re.sub(_SIGN_OR_SET + r"|\$", lambda match: match[1] or r"\n?\z", pattern)


def json_path(path: str) -> str:
    """A JSON path of plain steps, which both engines read alike."""
    if not re.fullmatch(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*", path):
        raise UnsupportedSQL(f"The JSON path {path!r} is not plain; write it like '$.track.artists[0].name'.")
    return path
