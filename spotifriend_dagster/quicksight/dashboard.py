"""The definition that the analysis and the dashboard share: sheets with their layout, filters, controls, calculations.

What is on the sheets is in `sheets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spotifriend_dagster.quicksight.fields import Source
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.sheets import Choice, Sheet
from spotifriend_dagster.quicksight.visuals import Visual

Json = dict[str, Any]

_WIDTH = 36
_LISTENER_FILTER = "listener"


def definition(sheets: Sequence[Sheet], place: Place) -> Json:
    """The whole definition."""
    sources = drawn_from(sheets)
    return {
        "DataSetIdentifierDeclarations": [
            {"Identifier": name, "DataSetArn": place.arn("dataset", name)} for name in sources
        ],
        "Sheets": [_sheet(sheet) for sheet in sheets],
        "CalculatedFields": [
            {"DataSetIdentifier": data_set, "Name": name, "Expression": calculation.expression}
            for data_set, parts in sources.items()
            for source in parts
            for name, calculation in source.calculations.items()
        ],
        "FilterGroups": [
            _of_listener(next(iter(sources))),
            *(_of_choice(sheet, choice) for sheet in sheets for choice in sheet.choices),
            *(group for sheet in sheets for visual in sheet.visuals for group in _of_visual(sheet, visual)),
        ],
        "AnalysisDefaults": {
            "DefaultNewSheetConfiguration": {
                "InteractiveLayoutConfiguration": {"Grid": {"CanvasSizeOptions": _canvas()}},
                "SheetContentType": "INTERACTIVE",
            }
        },
    }


def drawn_from(sheets: Sequence[Sheet]) -> dict[str, list[Source]]:
    """The sources by the table's name, in the order in which they are first drawn."""
    found: dict[str, list[Source]] = {}
    for sheet in sheets:
        for source in sheet.sources:
            found.setdefault(source.table.name, []).append(source)
    return found


def _sheet(sheet: Sheet) -> Json:
    listener = {"CrossSheet": {"FilterControlId": f"{sheet.id}-listener", "SourceFilterId": _LISTENER_FILTER}}
    choices = [
        {
            "Dropdown": {
                "FilterControlId": _control_id(sheet, choice),
                "Title": choice.title,
                "SourceFilterId": _choice_id(sheet, choice),
                "Type": "SINGLE_SELECT",
            }
        }
        for choice in sheet.choices
    ]
    controls = [f"{sheet.id}-listener", *(_control_id(sheet, choice) for choice in sheet.choices)]
    return {
        "SheetId": sheet.id,
        "Name": sheet.name,
        "ContentType": "INTERACTIVE",
        "Visuals": [visual.said for visual in sheet.visuals],
        "FilterControls": [listener, *choices],
        "Layouts": [
            {
                "Configuration": {
                    "GridLayout": {"Elements": list(_placed(sheet.visuals)), "CanvasSizeOptions": _canvas()},
                }
            }
        ],
        "SheetControlLayouts": [
            {
                "Configuration": {
                    "GridLayout": {
                        "Elements": [
                            {"ElementId": id_, "ElementType": "FILTER_CONTROL", "ColumnSpan": 4, "RowSpan": 1}
                            for id_ in controls
                        ]
                    }
                }
            }
        ],
    }


def _placed(visuals: Sequence[Visual]) -> Iterator[Json]:
    """Visuals from left to right; what does not fit beside the others begins below the tallest of them."""
    row = column = tallest = 0
    for visual in visuals:
        if column + visual.width > _WIDTH:
            row, column, tallest = row + tallest, 0, 0
        yield {
            "ElementId": visual.id,
            "ElementType": "VISUAL",
            "ColumnIndex": column,
            "ColumnSpan": visual.width,
            "RowIndex": row,
            "RowSpan": visual.height,
        }
        column, tallest = column + visual.width, max(tallest, visual.height)


def _canvas() -> Json:
    return {"ScreenCanvasSizeOptions": {"ResizeOption": "FIXED", "OptimizedViewPortWidth": "1600px"}}


def _of_listener(data_set: str) -> Json:
    """The filter by listener of every visual: all data sets have the column."""
    category = {
        "FilterId": _LISTENER_FILTER,
        "Column": {"DataSetIdentifier": data_set, "ColumnName": "listener"},
        "Configuration": {
            "FilterListConfiguration": {"MatchOperator": "CONTAINS", "SelectAllOptions": "FILTER_ALL_VALUES"}
        },
        "DefaultFilterControlConfiguration": {
            "Title": "Listener",
            "ControlOptions": {"DefaultDropdownOptions": {"Type": "MULTI_SELECT"}},
        },
    }
    return {
        "FilterGroupId": _LISTENER_FILTER,
        "Filters": [{"CategoryFilter": category}],
        "ScopeConfiguration": {"AllSheets": {}},
        "Status": "ENABLED",
        "CrossDataset": "ALL_DATASETS",
    }


def _of_choice(sheet: Sheet, choice: Choice) -> Json:
    scope = {"SheetId": sheet.id, "Scope": "ALL_VISUALS"}
    return _filter_group(_choice_id(sheet, choice), choice.data_set, choice.column, choice.first, scope)


def _of_visual(sheet: Sheet, visual: Visual) -> Iterator[Json]:
    scope = {"SheetId": sheet.id, "Scope": "SELECTED_VISUALS", "VisualIds": [visual.id]}
    for column, value in visual.only.items():
        yield _filter_group(f"{visual.id}-{column}", visual.data_set, column, value, scope)


def _filter_group(id_: str, data_set: str, column: str, value: str, scope: Json) -> Json:
    category = {
        "FilterId": id_,
        "Column": {"DataSetIdentifier": data_set, "ColumnName": column},
        "Configuration": {
            "FilterListConfiguration": {
                "MatchOperator": "CONTAINS",
                "CategoryValues": [value],
                "NullOption": "NON_NULLS_ONLY",
            }
        },
    }
    return {
        "FilterGroupId": id_,
        "Filters": [{"CategoryFilter": category}],
        "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": [scope]}},
        "Status": "ENABLED",
        "CrossDataset": "SINGLE_DATASET",
    }


def _choice_id(sheet: Sheet, choice: Choice) -> str:
    return f"{sheet.id}-{choice.column}"


def _control_id(sheet: Sheet, choice: Choice) -> str:
    return f"{_choice_id(sheet, choice)}-control"
