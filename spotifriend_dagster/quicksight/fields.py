"""What visuals are made of: the columns of a data set, and what QuickSight calculates of them, as dimension or measure.

A column or calculation that is not there is refused when the visual is declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spotifriend_dagster.quicksight.data_sets import COLUMN_TYPES
from spotifriend_dagster.tables.declaration import Table

Json = dict[str, Any]
Granularity = Literal["DAY", "WEEK", "MONTH", "YEAR"]
Aggregation = Literal["SUM", "AVERAGE"]


@dataclass(frozen=True)
class Calculation:
    """What QuickSight calculates: for each row, or (where it aggregates itself) over the rows of a mark.

    `expression` is in QuickSight's own language; `type` is QuickSight's name of what comes out.
    """

    expression: str
    type: str = "DECIMAL"
    aggregates: bool = False


@dataclass(frozen=True)
class Dimension:
    """What a visual tells apart: a column, as its type is; a date by `granularity`."""

    column: Json
    type: str
    granularity: Granularity

    def said(self, field_id: str) -> Json:
        """As a field of a visual."""
        parts = {"FieldId": field_id, "Column": self.column}
        if self.type == "DATETIME":
            return {"DateDimensionField": parts | {"DateGranularity": self.granularity}}
        return {"CategoricalDimensionField" if self.type == "STRING" else "NumericalDimensionField": parts}


@dataclass(frozen=True)
class Measure:
    """What a visual shows the size of: a column with its aggregation, or a calculation that aggregates itself."""

    column: Json
    aggregation: Aggregation | None
    is_share: bool

    def said(self, field_id: str) -> Json:
        """As a field of a visual; a share is shown in per cent."""
        parts: Json = {"FieldId": field_id, "Column": self.column}
        if self.aggregation:
            parts["AggregationFunction"] = {"SimpleNumericalAggregation": self.aggregation}
        if self.is_share:
            per_cent = {"DecimalPlacesConfiguration": {"DecimalPlaces": 1}}
            parts["FormatConfiguration"] = {
                "FormatConfiguration": {"PercentageDisplayFormatConfiguration": per_cent},
            }
        return {"NumericalMeasureField": parts}


@dataclass(frozen=True)
class Source:
    """A data set to draw from: the table that it holds, and what is calculated of its columns, by name."""

    table: Table
    calculations: Mapping[str, Calculation] = field(default_factory=dict)

    def dimension(self, name: str, granularity: Granularity = "DAY") -> Dimension:
        """A column, or what is calculated for each row, to tell marks apart.

        Raises:
            KeyError: there is none of that name.
        """
        return Dimension(self.column(name), self._type(name), granularity)

    def measure(self, name: str, aggregation: Aggregation = "SUM", *, is_share: bool = False) -> Measure:
        """A column or calculation to show the size of; what aggregates itself does so instead of `aggregation`.

        Raises:
            KeyError: there is none of that name.
            ValueError: it is no number.
        """
        if self._type(name) not in ("INTEGER", "DECIMAL"):
            raise ValueError(f"{self.table.name}.{name} is no number to be measured.")
        calculation = self.calculations.get(name)
        return Measure(self.column(name), None if calculation and calculation.aggregates else aggregation, is_share)

    def column(self, name: str) -> Json:
        """How QuickSight names the column or calculation.

        Raises:
            KeyError: there is none of that name.
        """
        self._type(name)
        return {"DataSetIdentifier": self.table.name, "ColumnName": name}

    def _type(self, name: str) -> str:
        calculation = self.calculations.get(name)
        return calculation.type if calculation else COLUMN_TYPES[self.table.column(name).type]
