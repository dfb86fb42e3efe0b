"""Kinds of visuals, as QuickSight wants them said. Which there are, and where, is in `sheets.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from spotifriend_dagster.quicksight.fields import Dimension, Measure

Json = dict[str, Any]
Arrangement = Literal["CLUSTERED", "STACKED", "STACKED_PERCENT"]


@dataclass(frozen=True)
class Visual:
    """A visual, and how much of its sheet it takes: `width` in 36ths of the sheet, `height` in rows of the grid.

    `only` says which rows of its data set it shows, by column and value.
    """

    id: str
    data_set: str
    said: Json
    width: int = 18
    height: int = 12
    only: Mapping[str, str] = field(default_factory=dict)

    def sized(self, width: int, height: int) -> Visual:
        """The visual in another size."""
        return replace(self, width=width, height=height)

    def showing(self, **values: str) -> Visual:
        """The visual with those rows alone that have these values."""
        return replace(self, only=values)


def figure(id_: str, title: str, measure: Measure) -> Visual:
    """One number."""
    wells = {"Values": _fields(id_, "value", [measure])}
    return _visual("KPIVisual", id_, (title, ""), measure, {"FieldWells": wells}).sized(9, 6)


def bars(
    id_: str,
    title: str,
    category: Dimension,
    measures: Sequence[Measure],
    *,
    subtitle: str = "",
    colour: Dimension | None = None,
    arrangement: Arrangement = "CLUSTERED",
    longest: int | None = None,
) -> Visual:
    """Bars by category, in its order; with `longest`, so many lying bars, the longest first."""
    wells = {"Category": _fields(id_, "category", [category]), "Values": _fields(id_, "value", measures)}
    if colour:
        wells["Colors"] = _fields(id_, "colour", [colour])
    sort = {"CategorySort": [_by(id_, "value", "DESC") if longest else _by(id_, "category", "ASC")]}
    limit = {"CategoryItemsLimit": _limit(longest)} if longest else {}
    configuration = {
        "FieldWells": {"BarChartAggregatedFieldWells": wells},
        "SortConfiguration": sort | limit,
        "Orientation": "HORIZONTAL" if longest else "VERTICAL",
        "BarsArrangement": arrangement,
    }
    return _visual("BarChartVisual", id_, (title, subtitle), measures[0], configuration)


def lines(
    id_: str,
    title: str,
    category: Dimension,
    measures: Sequence[Measure],
    *,
    subtitle: str = "",
    colour: Dimension | None = None,
    colours: int = 10,
) -> Visual:
    """Lines along a category; with `colour`, areas on top of each other, the largest `colours` of them."""
    wells = {"Category": _fields(id_, "category", [category]), "Values": _fields(id_, "value", measures)}
    sort: Json = {"CategorySort": [_by(id_, "category", "ASC")]}
    if colour:
        wells["Colors"] = _fields(id_, "colour", [colour])
        sort["ColorItemsLimitConfiguration"] = _limit(colours, "INCLUDE")
    configuration = {
        "FieldWells": {"LineChartAggregatedFieldWells": wells},
        "SortConfiguration": sort,
        "Type": "STACKED_AREA" if colour else "LINE",
    }
    return _visual("LineChartVisual", id_, (title, subtitle), measures[0], configuration)


def heat_map(id_: str, title: str, rows: Dimension, columns: Dimension, measure: Measure, *, subtitle: str) -> Visual:
    """A field for each pair of row and column, the darker the more, both in their own order."""
    wells = {
        "Rows": _fields(id_, "row", [rows]),
        "Columns": _fields(id_, "column", [columns]),
        "Values": _fields(id_, "value", [measure]),
    }
    configuration = {
        "FieldWells": {"HeatMapAggregatedFieldWells": wells},
        "SortConfiguration": {
            "HeatMapRowSort": [_by(id_, "row", "ASC")],
            "HeatMapColumnSort": [_by(id_, "column", "ASC")],
        },
    }
    return _visual("HeatMapVisual", id_, (title, subtitle), measure, configuration)


def table(
    id_: str, title: str, groups: Sequence[Dimension], measures: Sequence[Measure], *, subtitle: str = ""
) -> Visual:
    """A table with a row for each group, the largest first measure first."""
    wells = {"GroupBy": _fields(id_, "group", groups), "Values": _fields(id_, "value", measures)}
    configuration = {
        "FieldWells": {"TableAggregatedFieldWells": wells},
        "SortConfiguration": {"RowSort": [_by(id_, "value", "DESC")]},
    }
    return _visual("TableVisual", id_, (title, subtitle), measures[0], configuration)


def _visual(kind: str, id_: str, titles: tuple[str, str], measure: Measure, configuration: Json) -> Visual:
    title, subtitle = titles
    said: Json = {"VisualId": id_, "Title": _text(title), "ChartConfiguration": configuration}
    if subtitle:
        said["Subtitle"] = _text(subtitle)
    return Visual(id_, measure.column["DataSetIdentifier"], {kind: said})


def _text(text: str) -> Json:
    return {"Visibility": "VISIBLE", "FormatText": {"PlainText": text}}


def _fields(visual: str, well: str, fields: Sequence[Dimension | Measure]) -> list[Json]:
    return [field_.said(f"{visual}.{well}.{number}") for number, field_ in enumerate(fields)]


def _by(visual: str, well: str, direction: Literal["ASC", "DESC"]) -> Json:
    return {"FieldSort": {"FieldId": f"{visual}.{well}.0", "Direction": direction}}


def _limit(items: int, others: Literal["INCLUDE", "EXCLUDE"] = "EXCLUDE") -> Json:
    return {"ItemsLimit": items, "OtherCategories": others}
