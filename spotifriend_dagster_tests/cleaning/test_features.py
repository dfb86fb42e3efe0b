"""Audio features: the user's first, of the tracks that were played."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spotifriend_dagster.cleaning.features import track_features
from spotifriend_dagster.sources.user_files import FEATURES
from spotifriend_dagster_tests.cleaning.asked import pull

ASKED = "audio-features?ids=a,b"


def played(*tracks: tuple[str | None, str | None]) -> pd.DataFrame:
    """Plays of tracks, by URI and ISRC."""
    frame = pd.DataFrame(tracks, columns=["track_uri", "isrc"]).astype("str")
    return frame.assign(media="track")


def said(**energies: float) -> pd.DataFrame:
    """A user's file: by track id, or by ISRC where the name is in capitals, its energy."""
    rows = [
        {"track_uri": None if name.isupper() else f"spotify:track:{name}", "isrc": name if name.isupper() else None}
        | {"energy": energy}
        for name, energy in energies.items()
    ]
    frame = pd.DataFrame(rows, columns=["track_uri", "isrc", *FEATURES])
    return frame.astype({"track_uri": "str", "isrc": "str"} | dict.fromkeys(FEATURES, "float64"))


def told(minute: float = 0, **energies: Any) -> pd.DataFrame:
    """An answer of Spotify's; None is a track that it does not know."""
    body = [None if energy is None else {"id": id_, "energy": energy} for id_, energy in energies.items()]
    return pull([(ASKED, {"audio_features": body})], minute)


def found(plays: pd.DataFrame, raw: list[pd.DataFrame], user: pd.DataFrame) -> list[list[Any]]:
    received = pd.concat(raw) if raw else pull([])
    frame = track_features(plays, received, user)
    return frame[["track_uri", "feature_source", "energy"]].to_numpy().tolist()


def test_the_user_comes_before_spotify_and_the_later_answer_before_the_earlier() -> None:
    """Somebody who measured their tracks means it; Spotify may correct itself."""
    plays = played(("spotify:track:a", "GB1"), ("spotify:track:b", None), ("spotify:track:c", "GB3"))
    raw = [told(60, b=0.2), told(0, a=0.9, b=0.9, c=0.3)]
    assert found(plays, raw, said(GB1=0.1)) == [
        ["spotify:track:a", "user", 0.1],
        ["spotify:track:b", "spotify", 0.2],
        ["spotify:track:c", "spotify", 0.3],
    ]


def test_an_isrc_names_every_track_of_the_recording() -> None:
    """One recording on two albums is two tracks; what is said of one track by its id comes first."""
    plays = played(("spotify:track:a", "gb-1"), ("spotify:track:b", "GB1"), ("spotify:track:b", "GB1"))
    assert found(plays, [], said(GB1=0.1, b=0.7)) == [
        ["spotify:track:a", "user", 0.1],
        ["spotify:track:b", "user", 0.7],
    ]


def test_only_what_was_played_and_is_known_is_there() -> None:
    """Tracks that nobody played, that Spotify does not know, and answers that are none."""
    plays = played(("spotify:track:a", None), (None, None))
    raw = [told(0, a=None, x=0.5), told(1, a="loud"), pull([(ASKED, "{"), (ASKED, []), (ASKED, {"error": {}})], 2)]
    assert found(plays, raw, said(y=0.5)) == []
