"""The period that a summary is about: all time, a year or a month, in local dates."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal


class ReportError(Exception):
    """A report cannot be made as asked; the message is a sentence for the user."""


class NothingYet(ReportError):
    """There is nothing of the listener in the lake yet: they are named, or have signed in, and that is all."""


@dataclass(frozen=True)
class Period:
    """A period; `start` and `end` (the day after its last) are null for all time."""

    kind: Literal["all", "year", "month"]
    name: str
    start: date | None = None
    end: date | None = None

    @property
    def title(self) -> str:
        """The period as people say it."""
        if self.start is None:
            return "all time"
        return f"{self.start:%B %Y}" if self.kind == "month" else self.name

    def within(self, column: str) -> str:
        """The SQL condition that the date `column` lies in the period."""
        if self.start is None:
            return "TRUE"
        return f"{column} >= DATE '{self.start}' AND {column} < DATE '{self.end}'"

    def touches(self, first: str, last: str) -> str:
        """The SQL condition that the dates from column `first` to column `last` have one in the period."""
        if self.start is None:
            return "TRUE"
        return f"{last} >= DATE '{self.start}' AND {first} < DATE '{self.end}'"


def parse_period(said: str) -> Period:
    """The period that `said` names: `all`, `2025` or `2025-03`.

    Raises:
        ReportError: it names none.
    """
    if said == "all":
        return Period("all", said)
    if match := re.fullmatch(r"([12][0-9]{3})(?:-(0[1-9]|1[0-2]))?", said):
        year = int(match[1])
        if match[2] is None:
            return Period("year", said, date(year, 1, 1), date(year + 1, 1, 1))
        month = int(match[2])
        return Period("month", said, date(year, month, 1), date(year + month // 12, month % 12 + 1, 1))
    raise ReportError(f"The period is {said!r}, but it must be all, a year such as 2025, or a month such as 2025-03.")
