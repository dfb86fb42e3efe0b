"""The invented catalogue: what can be heard must be told apart by the rules of docs/metrics.md."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from spotifriend_dagster.demo.catalogue import Catalogue, make_catalogue
from spotifriend_dagster.demo.names import plain


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return make_catalogue(seed=5, artists=700, before=date(2022, 1, 1))


def test_ids_look_like_spotifys_and_are_unique(catalogue: Catalogue) -> None:
    uris = pd.concat([getattr(catalogue, kind)["uri"] for kind in ("artists", "albums", "releases", "spoken")])
    assert uris.is_unique
    assert uris.str.fullmatch(r"spotify:(artist|album|track|episode|chapter):[0-9A-Za-z]{22}").all()


def test_isrcs_are_well_formed_and_of_one_recording_each(catalogue: Catalogue) -> None:
    known = catalogue.releases.dropna(subset="isrc")
    assert known["isrc"].str.fullmatch(r"XD[A-Z0-9]{3}\d{7}").all()
    assert (known.groupby("isrc")["recording"].nunique() == 1).all()
    assert 0.9 < len(known) / len(catalogue.releases) < 1


def test_no_two_artists_differ_in_accents_or_capitals_alone(catalogue: Catalogue) -> None:
    assert not catalogue.artists["name"].map(plain).duplicated().any()


def test_an_artists_recordings_differ_in_title_without_what_was_added(catalogue: Catalogue) -> None:
    """Else a reader that goes by title and artist would rightly unite two recordings."""
    is_studio = ~catalogue.recordings["title"].str.contains(" - Live", regex=False)
    bare = catalogue.recordings[is_studio].assign(
        title=lambda of: of["title"].map(lambda title: plain(re.sub(r" \(feat\. .*\)", "", title)))
    )
    assert bare.groupby(["artist", "title"]).size().max() <= 1


def test_further_releases_share_isrc_or_nearly_the_duration(catalogue: Catalogue) -> None:
    first, count = catalogue.further_releases
    recordings = len(catalogue.recordings)
    assert count.max() >= 2
    for recording in np.flatnonzero(count)[:200]:
        further = catalogue.releases.iloc[first[recording] : first[recording] + count[recording]]
        original = catalogue.releases.iloc[recording]
        assert (further["recording"] == recording).all()
        assert ((further["duration_ms"] - original["duration_ms"]).abs() < 2000).all()
        assert (further["isrc"].isna() | (further["isrc"] == original["isrc"]) | pd.isna(original["isrc"])).all()
    assert (catalogue.releases["recording"].iloc[:recordings] == np.arange(recordings)).all()


def test_an_album_is_one_run_of_its_tracks(catalogue: Catalogue) -> None:
    """The listener plays an album by counting up from its first recording."""
    tracks = catalogue.recordings.groupby("album")["track_number"]
    assert (tracks.diff().dropna() == 1).all()
    assert (tracks.size() == catalogue.albums["total_tracks"].iloc[: len(tracks)]).all()


def test_names_use_more_than_one_script(catalogue: Catalogue) -> None:
    assert not catalogue.artists["name"].map(str.isascii).all()
    assert not catalogue.recordings["title"].map(str.isascii).all()
