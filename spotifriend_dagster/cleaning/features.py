"""Audio features of the tracks in a listener's plays: the user's own first, then what Spotify said.

Reading the user's file belongs to `sources/user_files.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from spotifriend_dagster.cleaning.api_objects import mapping, objects, text
from spotifriend_dagster.cleaning.payloads import parse_json
from spotifriend_dagster.tables.frames import typed_frame
from spotifriend_dagster.tables.snapshots import TRACK_FEATURES

_FEATURES = [column.name for column in TRACK_FEATURES.columns if column.type == "double"]
_TRACK_URI = "spotify:track:"
COLUMNS_OF_PLAYS = ("media", "track_uri", "isrc")
"""What features need to know of a play."""


def track_features(plays: pd.DataFrame, raw: pd.DataFrame, user: pd.DataFrame) -> pd.DataFrame:
    """A typed frame of `track_features`: one row per track in the plays of which anybody says a feature.

    Args:
        plays: one listener's `plays`, the columns `COLUMNS_OF_PLAYS`.
        raw: rows of `raw_audio_features` of all days: pulled_at, page and payload.
        user: what the user's file says: track_uri or isrc, and the features.
    """
    tracks = plays.loc[(plays["media"] == "track") & plays["track_uri"].notna(), ["track_uri", "isrc"]]
    isrcs = tracks.dropna().drop_duplicates().assign(isrc=lambda frame: frame["isrc"].str.upper().str.replace("-", ""))
    by_isrc = isrcs.merge(user.dropna(subset="isrc").drop(columns="track_uri"), on="isrc")
    spotify = pd.DataFrame(_told(raw), columns=["track_uri", *_FEATURES]).drop_duplicates("track_uri", keep="last")
    said = [
        user.dropna(subset="track_uri").assign(feature_source="user"),
        by_isrc.assign(feature_source="user"),
        spotify.assign(feature_source="spotify"),
    ]
    columns = ["track_uri", "feature_source", *_FEATURES]
    features = pd.concat([frame[columns].astype(dict.fromkeys(_FEATURES, "float64")) for frame in said])
    features = features.dropna(subset=_FEATURES, how="all").drop_duplicates("track_uri")
    features = features[features["track_uri"].isin(tracks["track_uri"])].sort_values("track_uri")
    return typed_frame(features, TRACK_FEATURES)


def _told(raw: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The features in all answers, the latest last. What is not there, or cannot be read, is left out."""
    for payload in raw.sort_values(["pulled_at", "page"])["payload"]:
        try:
            body = mapping(parse_json(payload))
        except ValueError:
            continue
        for told in objects(body.get("audio_features", [body])):
            if id_ := text(told.get("id")):
                yield {"track_uri": _TRACK_URI + id_} | {name: _number(told.get(name)) for name in _FEATURES}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
