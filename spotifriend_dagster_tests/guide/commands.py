"""The commands that the guide gives, as they stand there: in blocks, and in running text."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?<![\w./`=-])(?:\.venv/bin/)?((?:spotifriend|aws|make) +[^\n]*)")
_ENDS = {"|", ")", ";", "&&", "&", ">"}


@dataclass(frozen=True)
class Command:
    """A command: where it is given, and its words."""

    guide: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)


def section(guide: str, heading: str) -> str:
    """A section of a guide in docs/, by its heading."""
    text = (ROOT / "docs" / guide).read_text("utf-8")
    (found,) = re.findall(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.MULTILINE | re.DOTALL)
    said: str = found[1]
    return said


def blocks(text: str) -> list[str]:
    """The shell scripts of a text."""
    return [textwrap.dedent(code) for language, code in _BLOCK.findall(text) if language == "sh"]


def lines(text: str) -> list[str]:
    """The commands of `spotifriend` in running text, in their order."""
    return [span for span in _SPAN.findall(_BLOCK.sub("", text)) if re.match(r"spotifriend [a-z]", span)]


def commands() -> Iterator[Command]:
    """Every command of `spotifriend`, `aws` and `make` that a guide gives. What shows how one is used is left out."""
    for path in GUIDES:
        text = path.read_text("utf-8")
        code = [code for language, code in _BLOCK.findall(text) if language in ("", "sh")]
        code += _SPAN.findall(_BLOCK.sub("", text))
        for said in (match for each in code for match in _COMMAND.findall(each.replace("\\\n", " "))):
            if "[" not in said.partition("--query")[0] or "'" in said:
                yield Command(path.name, tuple(_words(said)))


def _words(said: str) -> list[str]:
    """The words of one command, without what a shell does with it: `made $(aws …)`, `aws … | while read`."""
    reader = shlex.shlex(said, posix=True, punctuation_chars="()|;&<>")
    reader.whitespace_split = True
    words: list[str] = []
    try:
        for word in reader:
            if word in _ENDS:
                break
            words.append(word)
    except ValueError:  # a quotation that goes on in the next line
        pass
    return words
