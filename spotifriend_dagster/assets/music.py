"""What is known of the music itself: genres of artists and listens, audio features of tracks. Made after plays.

Every rule is in `cleaning/`; the user's own files are read by `sources/user_files.py`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
import pandas as pd

from spotifriend_dagster.assets.cleaned import table_ins, table_outs
from spotifriend_dagster.assets.resources import MoreFacts
from spotifriend_dagster.assets.specs import (
    Audits,
    asset_key,
    declaration_check,
    every_listener_check,
    every_listener_result,
)
from spotifriend_dagster.assets.uniting import each_listener
from spotifriend_dagster.cleaning.features import COLUMNS_OF_PLAYS as FEATURES_OF_PLAYS
from spotifriend_dagster.cleaning.features import track_features
from spotifriend_dagster.cleaning.genres import COLUMNS_OF_PLAYS, Genres, credits_of, find_genres
from spotifriend_dagster.cleaning.musicbrainz import known_answers
from spotifriend_dagster.lake.io_managers import Part
from spotifriend_dagster.lake.stored_tables import StoredTable
from spotifriend_dagster.sources.user_files import read_audio_features, read_genres
from spotifriend_dagster.tables.cleaned import PLAYS, RECENT_PLAYS
from spotifriend_dagster.tables.raw import AUDIO_FEATURES, MUSICBRAINZ
from spotifriend_dagster.tables.snapshots import ARTIST_GENRES, ARTISTS, PLAY_GENRES, TRACK_FEATURES, TRACKS

_GENRES = (ARTIST_GENRES, PLAY_GENRES)
FILE_IS_GOOD = "user_file_is_good"


@dg.multi_asset(
    name="genres",
    ins=table_ins(PLAYS, RECENT_PLAYS, TRACKS, ARTISTS, MUSICBRAINZ),
    outs=table_outs(*_GENRES),
    check_specs=[
        *map(declaration_check, _GENRES),
        every_listener_check(asset_key(ARTIST_GENRES)),
        dg.AssetCheckSpec(FILE_IS_GOOD, asset=asset_key(ARTIST_GENRES), description="All of genres.csv can be used."),
    ],
)
def genres(  # noqa: PLR0917 - Dagster passes inputs by name
    context: dg.AssetExecutionContext,
    more_facts: dg.ResourceParam[MoreFacts],
    plays: StoredTable,
    recent_plays: StoredTable,
    tracks: StoredTable,
    artists: StoredTable,
    raw_musicbrainz: StoredTable,
) -> Iterator[Any]:
    """Find the genres of artists and of listens: from the user's file, else Spotify, else MusicBrainz."""
    failures: dict[str, str] = {}
    of_plays: list[Part] = []
    file = read_genres(more_facts.user_files() / "genres.csv")

    def of_artists() -> Iterator[Part]:
        def find(listener: str) -> Genres:
            read = plays.frame(listener, COLUMNS_OF_PLAYS)
            credits_ = credits_of(read, recent_plays.frame(listener), tracks.frame(listener))
            answers = known_answers(raw_musicbrainz.frame(listener))
            return find_genres(credits_, artists.frame(listener), file.rows, answers)

        for listener, found in each_listener(plays.listeners(), find, failures, context.log):
            of_plays.append(Part(listener, found.play_genres))
            yield Part(listener, found.artist_genres)

    audits = Audits(*_GENRES)
    yield dg.Output(audits.of(ARTIST_GENRES, of_artists()), ARTIST_GENRES.name)
    yield dg.Output(audits.of(PLAY_GENRES, of_plays), PLAY_GENRES.name)
    yield from audits.results()
    yield every_listener_result(asset_key(ARTIST_GENRES), failures)
    yield _file_result(asset_key(ARTIST_GENRES), file.problems)


@dg.multi_asset(
    name="features",
    ins=table_ins(PLAYS, AUDIO_FEATURES),
    outs=table_outs(TRACK_FEATURES),
    check_specs=[
        declaration_check(TRACK_FEATURES),
        every_listener_check(asset_key(TRACK_FEATURES)),
        dg.AssetCheckSpec(
            FILE_IS_GOOD, asset=asset_key(TRACK_FEATURES), description="All of the audio_features file can be used."
        ),
    ],
)
def features(
    context: dg.AssetExecutionContext,
    more_facts: dg.ResourceParam[MoreFacts],
    plays: StoredTable,
    raw_audio_features: StoredTable,
) -> Iterator[Any]:
    """Find the audio features of the tracks in plays: from the user's file, else Spotify."""
    failures: dict[str, str] = {}
    file = read_audio_features(more_facts.user_files())

    def parts() -> Iterator[Part]:
        def find(listener: str) -> pd.DataFrame:
            tracks = plays.frame(listener, FEATURES_OF_PLAYS)
            return track_features(tracks, raw_audio_features.frame(listener), file.rows)

        for listener, found in each_listener(plays.listeners(), find, failures, context.log):
            yield Part(listener, found)

    audits = Audits(TRACK_FEATURES)
    yield dg.Output(audits.of(TRACK_FEATURES, parts()), TRACK_FEATURES.name)
    yield from audits.results()
    yield every_listener_result(asset_key(TRACK_FEATURES), failures)
    yield _file_result(asset_key(TRACK_FEATURES), file.problems)


def _file_result(key: dg.AssetKey, problems: Iterable[str]) -> dg.AssetCheckResult:
    told = list(problems)
    return dg.AssetCheckResult(
        check_name=FILE_IS_GOOD,
        asset_key=key,
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,  # what is good in the file was used
        metadata={"problems": dg.MetadataValue.json(told)},
    )
