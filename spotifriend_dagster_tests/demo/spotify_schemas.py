"""Spotify's own schemas of its answers, made strict: a field that they do not know is an error.

What is known to be wrong in them is put right here, each with its reason.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from spotifriend_dagster.demo.objects import Dialect

_DOCUMENT = json.loads(Path(__file__).with_name("spotify_web_api.json").read_text("utf-8"))
_KEPT_THOUGH_DEPRECATED = {"genres", "audio_preview_url"}
"""Deprecated, but not among the fields that Spotify says it removed from development mode."""
_NULL_IN_FACT = {
    ("CursorPagingObject", "next"),  # on the last page, where there is always null
    ("CursorPagingObject", "cursors"),  # beyond the last 50 plays
    ("CursorObject", "after"),  # after the last followed artist
    ("PlayHistoryObject", "context"),  # played from Liked Songs
    ("PlaylistTrackObject", "added_at"),  # very old playlists, as its own description says
    ("PlaylistTrackObject", "added_by"),
    ("PlaylistTrackObject", "item"),  # no longer available, as the description of `items` says
    ("PlaylistTrackObject", "track"),
}
_REQUIRED_BUT_NOT_SENT = {("AlbumObject", "genres")}  # in development mode
_SENT_UNSAID = {
    "PlaylistTrackObject": ("primary_color", "video_thumbnail"),  # sent with extended quota
    "ErrorObject": ("reason",),  # QUOTA_EXCEEDED
}


def errors(body: Any, schema: str, dialect: Dialect) -> list[str]:
    """Where a body is not what a schema of the extract says, in one of the dialects."""
    found = _validator(schema, dialect).iter_errors(body)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


@cache
def _validator(schema: str, dialect: Dialect) -> Draft202012Validator:
    schemas = {name: _strict(name, dialect) for name in _DOCUMENT["schemas"]}
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": {"schemas": schemas}})


def _strict(name: str, dialect: Dialect) -> dict[str, Any]:
    """A schema as JSON Schema has it: its bases put in, null said its way, no other fields than its own."""
    schema = _flat(_DOCUMENT["schemas"][name])
    if "properties" not in schema:
        return schema
    properties = {}
    for field, said in schema["properties"].items():
        if dialect == "development" and said.get("deprecated") and field not in _KEPT_THOUGH_DEPRECATED:
            continue
        is_null = said.get("nullable") or any((of, field) in _NULL_IN_FACT for of in (name, *_bases(name)))
        properties[field] = {"anyOf": [said, {"type": "null"}]} if is_null else said
    properties |= {field: {} for field in _SENT_UNSAID.get(name, ())}
    required = [
        field
        for field in schema.get("required", [])
        if field in properties and (dialect == "extended" or (name, field) not in _REQUIRED_BUT_NOT_SENT)
    ]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _bases(name: str) -> list[str]:
    parts = _DOCUMENT["schemas"][name].get("allOf", [])
    return [part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part]


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what `allOf` adds to it."""
    flat = {"properties": {}, "required": []} | {key: said for key, said in schema.items() if key != "allOf"}
    for part in schema.get("allOf", []):
        whole = _flat(_DOCUMENT["schemas"][part["$ref"].rpartition("/")[2]]) if "$ref" in part else _flat(part)
        flat["properties"] = whole["properties"] | flat["properties"]
        flat["required"] = [*whole["required"], *flat["required"]]
    return flat if flat["properties"] else schema
