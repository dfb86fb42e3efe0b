"""Which recording a track is, whichever release it was played from (docs/metrics.md).

Which plays are the same event belongs to `duplicates.py` and `matching.py`.
"""

from __future__ import annotations

import unicodedata

import pandas as pd

SAME_RECORDING_MS = 2_000
_STRAIGHT_QUOTES = str.maketrans("‘’‚‛ʼ′“”„‟«»", "''''''\"\"\"\"\"\"")
_TRIMMED = " '\""
_IDENTITY = ["track_uri", "track_name", "artist_name", "isrc", "duration_ms"]


def normalised(names: pd.Series) -> pd.Series:
    """Names in the form in which they are compared: NFKC, casefolded, quotes straight and trimmed, spaces single.

    Nothing is cut off: "Song - Remastered 2011" and "Song - Live" stay apart from "Song". A remaster is a recording of
    its own, as it is by its ISRC.
    """
    codes, unique = pd.factorize(names)
    known = pd.array([normalised_name(name) for name in unique.tolist()], dtype="str")
    return pd.Series(known.take(codes, allow_fill=True), index=names.index, name=names.name)


def normalised_name(name: str) -> str:
    """One name in that form."""
    if not name.isascii():  # most names are, and are left as they are by what follows
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        name = name.translate(_STRAIGHT_QUOTES)
    text = " ".join(name.casefold().split())
    return text.strip(_TRIMMED) or text


def recording_ids(plays: pd.DataFrame) -> pd.Series:
    """The recording of each track: readable, and the same for the same history whatever the order of its rows.

    1. The ISRC, name and duration that most plays of a track URI have hold for all of its plays.
    2. A track goes by its ISRC, `isrc:…`, where that is known.
    3. Else tracks of one normalised title and primary artist are told apart by duration: durations are sorted and
       chained, with a new recording where neighbours differ by more than 2 s. Tracks with an ISRC take part in the
       chain, and those without one join the most-played ISRC in theirs. A chain without any goes by `title|artist`
       if it is the most-played recording of that name, else by `title|artist|215s`, its shortest duration.
    4. A track of unknown duration joins the most-played recording of its name.
    5. Without title or artist there is no name: the track goes by its URI, or without one by the half that is known.

    Args:
        plays: one listener's; it needs media, track_uri, track_name, artist_name, isrc and duration_ms.

    Returns:
        recording_id with the index of `plays`; null unless the media is `track`.
    """
    tracks = plays.loc[plays["media"] == "track", _IDENTITY]
    alike = tracks.groupby(_IDENTITY, dropna=False, sort=False)  # names are compared once, not once per play
    kinds = alike.size().rename("plays").reset_index()
    recordings = _recordings(kinds).take(alike.ngroup().to_numpy())
    return recordings.set_axis(tracks.index).reindex(plays.index).rename("recording_id")


def _recordings(kinds: pd.DataFrame) -> pd.Series:
    uri, plays = _numbered(kinds["track_uri"]), kinds["plays"]
    name = _of_uri(_names(kinds), uri, plays)
    isrc = "isrc:" + _of_uri(kinds["isrc"].str.upper().str.replace("-", ""), uri, plays)
    duration_ms = _of_uri(kinds["duration_ms"].astype("Int64"), uri, plays)

    alike = _numbered(name)
    timed = pd.DataFrame({"name": alike, "duration_ms": duration_ms}).dropna().sort_values(["name", "duration_ms"])
    is_apart = (timed["name"] != timed["name"].shift()) | (timed["duration_ms"].diff() > SAME_RECORDING_MS)
    chain = is_apart.cumsum().reindex(kinds.index)
    seconds = duration_ms.groupby(chain).transform("min") // 1000
    recording = isrc.fillna(_look_up(_most_played(isrc, chain, plays), chain))
    recording = recording.fillna((name + "|" + seconds.astype("str") + "s").where(chain.notna()))

    favourite = _look_up(_most_played(recording, alike, plays), alike)
    recording = recording.fillna(favourite).fillna(name)
    return name.where((recording == favourite) & ~recording.str.startswith("isrc:"), recording)


def _numbered(values: pd.Series) -> pd.Series:
    """A number for each distinct value, null where there is none: groups of numbers are found faster than of names."""
    numbers = pd.Series(pd.factorize(values)[0], index=values.index)
    return numbers.mask(numbers < 0)


def _names(tracks: pd.DataFrame) -> pd.Series:
    title = normalised(tracks["track_name"]).str.replace("|", "/")
    artist = normalised(tracks["artist_name"]).str.replace("|", "/")
    return (title + "|" + artist).fillna(tracks["track_uri"]).fillna(title.fillna("") + "|" + artist.fillna(""))


def _of_uri(values: pd.Series, uri: pd.Series, plays: pd.Series) -> pd.Series:
    return _look_up(_most_played(values, uri, plays), uri).fillna(values)


def _most_played(values: pd.Series, groups: pd.Series, plays: pd.Series) -> pd.Series:
    """By group, the known value with the most plays; of equals the smallest."""
    known = pd.DataFrame({"value": values, "group": groups, "plays": plays}).dropna()
    totals = known.groupby(["group", "value"], sort=False)["plays"].sum().reset_index()
    best = totals.sort_values(["plays", "value"], ascending=[False, True]).drop_duplicates("group")
    return best.set_index("group")["value"]


def _look_up(by_group: pd.Series, groups: pd.Series) -> pd.Series:
    return by_group.reindex(groups).set_axis(groups.index)
