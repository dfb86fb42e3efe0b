"""What was played: a track, an episode, an audiobook, a video, or something that left no name.

Which recording a track is belongs to `recordings.py`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_UNKNOWN_ARTIST = "Unknown Artist"
_UNKNOWN_TRACK = "Unknown Track"


def media_of(rows: pd.DataFrame) -> pd.Series:
    """The kind of thing that each row played, the first that matches (docs/metrics.md, "Media").

    `video`: the row comes from a file named Video. `episode`, `audiobook`, `track`: the row has the URI or the title of
    one. Else `unknown`. A title is enough because account-data exports have no URIs at all, and a row without a URI
    that was given its title by an account row is a track. Account-data files from before 2023 list episodes among the
    music, with the show as the artist: nothing there tells them from tracks, so they are read as tracks.

    Args:
        rows: is_video, and URI and title of tracks, episodes and audiobooks as `plays` names them, with
            placeholder names already taken out (`without_placeholder_names`).

    Returns:
        `video`, `episode`, `audiobook`, `track` or `unknown`, with the index of `rows`.
    """
    kinds = {
        "video": rows["is_video"].astype(bool),
        "episode": rows["episode_uri"].notna() | rows["episode_name"].notna(),
        "audiobook": rows["audiobook_uri"].notna() | rows["audiobook_title"].notna(),
        "track": rows["track_uri"].notna() | rows["track_name"].notna(),
    }
    media = np.select(list(kinds.values()), list(kinds), default="unknown")
    return pd.Series(media, index=rows.index, dtype="str", name="media")


def without_placeholder_names(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with Spotify's placeholders and blank names in track_name and artist_name as null.

    "Unknown Artist" is no artist. "Unknown Track" is no title where the artist is unknown too; by a known artist it is
    a song of that name.
    """
    artist = _without_blanks(rows["artist_name"])
    artist = artist.mask(artist == _UNKNOWN_ARTIST)
    title = _without_blanks(rows["track_name"])
    title = title.mask((title == _UNKNOWN_TRACK) & artist.isna())
    return rows.assign(track_name=title, artist_name=artist)


def _without_blanks(names: pd.Series) -> pd.Series:
    return names.astype("str").mask(names.str.strip() == "")
