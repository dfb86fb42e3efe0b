"""Which recording a track is, whichever release it was played from (docs/metrics.md).

Which plays are the same event belongs to `duplicates.py` and `matching.py`.
"""

from __future__ import annotations

import unicodedata

import pandas as pd

SAME_RECORDING_MS = 2_000
_STRAIGHT_QUOTES = str.maketrans("‘’‚‛ʼ′“”„‟«»", "''''''\"\"\"\"\"\"")
_TRIMMED = " '\""


def normalised(names: pd.Series) -> pd.Series:
    """Names in the form in which they are compared: NFKC, casefolded, quotes straight and trimmed, spaces single.

    Nothing is cut off: "Song - Remastered 2011" and "Song - Live" stay apart from "Song". A remaster is a recording of
    its own, as it is by its ISRC.
    """
    codes, unique = pd.factorize(names)
    known = pd.array([_normalised(name) for name in unique], dtype="str")
    return pd.Series(known.take(codes, allow_fill=True), index=names.index, name=names.name)


def _normalised(name: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = " ".join(text.translate(_STRAIGHT_QUOTES).split())
    return text.strip(_TRIMMED) or text


def recording_ids(plays: pd.DataFrame) -> pd.Series:
    """The recording of each track: readable, and the same for the same history whatever the order of its rows.

    1. ISRC, names and duration known for one row hold for every row of the same track URI.
    2. `isrc:…` where the ISRC is known.
    3. Else the tracks of one normalised title and primary artist are told apart by duration: sorted and chained, with a
       new recording where neighbours differ by more than 2 s. A chain that tracks with an ISRC belong to goes by
       the most-played ISRC in it. Otherwise it goes by `title|artist` if it is the most-played recording of that
       name, or by `title|artist|215s`, its shortest duration, if it is not.
    4. Tracks of unknown duration join the most-played recording of their name.
    5. A track without title or artist goes by its URI, or by what is known of its name.

    Args:
        plays: one listener's; it needs media, track_uri, track_name, artist_name, isrc and duration_ms.

    Returns:
        recording_id with the index of `plays`; null unless the media is `track`.
    """
    tracks = plays.loc[plays["media"] == "track"]
    uri = tracks["track_uri"]
    name = _spread(_names(tracks), uri)
    isrc = _spread(tracks["isrc"].str.upper().str.replace("-", ""), uri)
    duration_ms = _spread(tracks["duration_ms"].astype("Int64"), uri)
    kinds = pd.DataFrame({"name": name, "isrc": isrc, "duration_ms": duration_ms})
    kind_of_track = kinds.groupby(["name", "isrc", "duration_ms"], dropna=False, sort=False).ngroup()
    kinds = kinds.assign(plays=1, kind=kind_of_track)
    kinds = kinds.groupby("kind", sort=True).agg(
        {"name": "first", "isrc": "first", "duration_ms": "first", "plays": "sum"}
    )
    ids = _ids_of_kinds(kinds)
    return ids.take(kind_of_track.to_numpy()).set_axis(tracks.index).reindex(plays.index).rename("recording_id")


def _names(tracks: pd.DataFrame) -> pd.Series:
    title = normalised(tracks["track_name"]).str.replace("|", "/", regex=False)
    artist = normalised(tracks["artist_name"]).str.replace("|", "/", regex=False)
    is_named = title.notna() & artist.notna()
    fallback = tracks["track_uri"].fillna(title.fillna("") + "|" + artist.fillna(""))
    return (title + "|" + artist).where(is_named, fallback)


def _spread(values: pd.Series, uri: pd.Series) -> pd.Series:
    """`values`, but for each track URI the one that most of its rows have."""
    return _by_group(_most_frequent(uri, values), uri).fillna(values)


def _ids_of_kinds(kinds: pd.DataFrame) -> pd.Series:
    """The recording of each kind: of each distinct name, ISRC and duration, which comes with its number of plays."""
    name, plays = kinds["name"], kinds["plays"]
    timed = kinds.loc[kinds["duration_ms"].notna()].sort_values(["name", "duration_ms"])
    is_apart = (timed["name"] != timed["name"].shift()) | (timed["duration_ms"].diff() > SAME_RECORDING_MS)
    chain = is_apart.cumsum().reindex(kinds.index)
    seconds = timed["duration_ms"].groupby(chain).transform("min").reindex(kinds.index) // 1000

    isrc = "isrc:" + kinds["isrc"]
    recording = isrc.fillna(_by_group(_most_frequent(chain, isrc, plays), chain))
    recording = recording.fillna((name + "|" + seconds.astype("str") + "s").where(chain.notna()))

    favourite = _by_group(_most_frequent(name, recording, plays), name)
    recording = recording.fillna(favourite).fillna(name)
    return name.where((recording == favourite) & ~recording.str.startswith("isrc:"), recording)


def _most_frequent(group: pd.Series, value: pd.Series, plays: pd.Series | int = 1) -> pd.Series:
    """By group, the known value with the most plays (ties: the smallest)."""
    known = pd.DataFrame({"group": group, "value": value, "plays": plays}).dropna(subset=["group", "value"])
    totals = known.groupby(["group", "value"], sort=False)["plays"].sum().reset_index()
    best = totals.sort_values(["plays", "value"], ascending=[False, True]).drop_duplicates("group")
    return best.set_index("group")["value"]


def _by_group(values: pd.Series, group: pd.Series) -> pd.Series:
    return values.reindex(group).set_axis(group.index)
