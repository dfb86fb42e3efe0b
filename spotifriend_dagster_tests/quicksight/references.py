"""What AWS's model cannot say of a dashboard: that what is referred to is there, once, and of the right type."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_WIDTH = 36
_FIELDS = {"CategoricalDimensionField": {"STRING"}, "DateDimensionField": {"DATETIME"}}
_NUMBERS = {"INTEGER", "DECIMAL"}


def columns_of(data_set: Json) -> dict[str, str]:
    """The columns that a data set (a request to create it) shows, with their types."""
    (physical,) = data_set["PhysicalTableMap"].values()
    (logical,) = data_set["LogicalTableMap"].values()
    (table,) = physical.values()
    types = {column["Name"]: column["Type"] for column in table.get("InputColumns") or table["Columns"]}
    projected: list[str] = []
    for transform in logical["DataTransforms"]:
        ((kind, said),) = transform.items()
        if kind == "RenameColumnOperation":
            types[said["NewColumnName"]] = types.pop(said["ColumnName"])
        elif kind == "ProjectOperation":
            projected = said["ProjectedColumns"]
        else:
            _ = types[said["ColumnName"]]
    return {name: types[name] for name in projected}


def reference_faults(definition: Json, data_sets: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong with a definition: `data_sets` are the columns of each data set, with their types."""
    return [
        *_columns(definition, data_sets),
        *(fault for sheet in definition["Sheets"] for fault in _sheet(sheet)),
        *_filters(definition),
        *_twice(definition),
    ]


def found(said: Any, name: str) -> Iterator[Any]:
    """Everything under the name, at any depth."""
    if isinstance(said, dict):
        for key, value in said.items():
            if key == name:
                yield value
            yield from found(value, name)
    elif isinstance(said, list):
        for value in said:
            yield from found(value, name)


def _columns(definition: Json, data_sets: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    calculated = {(field["DataSetIdentifier"], field["Name"]) for field in definition["CalculatedFields"]}
    declared = [one["Identifier"] for one in definition["DataSetIdentifierDeclarations"]]
    yield from (f"data set {name} is not there" for name in declared if name not in data_sets)

    def known(column: Json) -> bool:
        data_set, name = column["DataSetIdentifier"], column["ColumnName"]
        is_there = data_set in declared and name in data_sets.get(data_set, ())
        return is_there or (data_set, name) in calculated

    for field in definition["CalculatedFields"]:
        for name in re.findall(r"\{([^}]*)\}", field["Expression"]):
            if not known({"DataSetIdentifier": field["DataSetIdentifier"], "ColumnName": name}):
                yield f"{field['Name']} is calculated of {name}, which {field['DataSetIdentifier']} lacks"
    for key in ("Column", "SortBy"):
        yield from (f"column {column} is not there" for column in found(definition, key) if not known(column))
    for kind, types in _FIELDS.items():
        for field in found(definition, kind):
            column = field["Column"]
            type_ = data_sets.get(column["DataSetIdentifier"], {}).get(column["ColumnName"])
            if type_ is not None and type_ not in types:
                yield f"{field['FieldId']} is a {kind} of a column that is {type_}"
    for field in found(definition, "NumericalMeasureField"):
        column = field["Column"]
        type_ = data_sets.get(column["DataSetIdentifier"], {}).get(column["ColumnName"])
        if type_ is not None and type_ not in _NUMBERS:
            yield f"{field['FieldId']} measures a column that is {type_}"
        if type_ is not None and "AggregationFunction" not in field:
            yield f"{field['FieldId']} measures a column without adding it up"
    aggregated = {
        (field["DataSetIdentifier"], field["Name"])
        for field in definition["CalculatedFields"]
        if re.search(r"\b(sum|avg|count)\(", field["Expression"])
    }
    for field in found(definition, "NumericalMeasureField"):
        named = (field["Column"]["DataSetIdentifier"], field["Column"]["ColumnName"])
        if named in calculated and (named in aggregated) == ("AggregationFunction" in field):
            yield f"{field['FieldId']} adds up what is added up already, or does not add up what is not"


def _sheet(sheet: Json) -> Iterator[str]:
    visuals = [next(iter(visual.values())) for visual in sheet["Visuals"]]
    ids = [visual["VisualId"] for visual in visuals]
    elements = [element for layout in sheet["Layouts"] for element in layout["Configuration"]["GridLayout"]["Elements"]]
    laid_out = [element["ElementId"] for element in elements]
    yield from (f"visual {id_} is not laid out" for id_ in ids if id_ not in laid_out)
    yield from (f"{id_} is laid out and not there" for id_ in laid_out if id_ not in ids)
    taken: Counter[tuple[int, int]] = Counter()
    for element in elements:
        left, width = element["ColumnIndex"], element["ColumnSpan"]
        if left + width > _WIDTH:
            yield f"{element['ElementId']} is laid out beyond the sheet"
        rows = range(element["RowIndex"], element["RowIndex"] + element["RowSpan"])
        taken.update((column, row) for column in range(left, left + width) for row in rows)
    if any(times > 1 for times in taken.values()):
        yield f"visuals of sheet {sheet['SheetId']} lie over each other"
    controls = [next(iter(control.values()))["FilterControlId"] for control in sheet["FilterControls"]]
    placed = [
        element["ElementId"]
        for layout in sheet["SheetControlLayouts"]
        for element in layout["Configuration"]["GridLayout"]["Elements"]
    ]
    yield from (f"control {id_} is not laid out, or laid out and not there" for id_ in {*controls} ^ {*placed})
    for visual in visuals:
        fields = [
            next(iter(field.values()))["FieldId"]
            for wells in visual["ChartConfiguration"]["FieldWells"].values()
            for well in (wells.values() if isinstance(wells, dict) else [wells])
            for field in well
        ]
        sorted_by = [sort["FieldId"] for sort in found(visual, "FieldSort")]
        yield from (f"{visual['VisualId']} is sorted by {id_}, which it lacks" for id_ in {*sorted_by} - {*fields})
        yield from (f"{id_} is there twice" for id_, times in Counter(fields).items() if times > 1)


def _filters(definition: Json) -> Iterator[str]:
    sheets = {
        sheet["SheetId"]: {next(iter(visual.values()))["VisualId"] for visual in sheet["Visuals"]}
        for sheet in definition["Sheets"]
    }
    filters = {
        one["FilterId"] for group in definition["FilterGroups"] for one in found(group["Filters"], "CategoryFilter")
    }
    for control in found(definition["Sheets"], "SourceFilterId"):
        if control not in filters:
            yield f"a control is of the filter {control}, which is not there"
    for scope in found(definition["FilterGroups"], "SheetVisualScopingConfigurations"):
        for one in scope:
            if not {*one.get("VisualIds", [])} <= sheets.get(one["SheetId"], set()) or one["SheetId"] not in sheets:
                yield f"a filter is for {one}, which is not there"


def _twice(definition: Json) -> Iterator[str]:
    for name in ("SheetId", "VisualId", "FilterId", "FilterGroupId", "FilterControlId"):
        said = (
            definition["Sheets"] if name in ("SheetId", "VisualId", "FilterControlId") else definition["FilterGroups"]
        )
        ids = Counter(id_ for id_ in found(said, name))
        yield from (f"{name} {id_} is there twice" for id_, times in ids.items() if times > 1)
    names = Counter(field["Name"] for field in definition["CalculatedFields"])
    yield from (f"{name} is calculated twice" for name, times in names.items() if times > 1)
