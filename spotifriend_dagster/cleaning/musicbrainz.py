"""What to ask MusicBrainz about an artist, and which genres its answers give: by ISRC, else by name, then the artist.

Asking belongs to `sources/musicbrainz.py`. Answers are known by their questions, so that each is asked once for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import pandas as pd

from spotifriend_dagster.cleaning.api_objects import mapping, objects, text
from spotifriend_dagster.cleaning.payloads import parse_json
from spotifriend_dagster.cleaning.recordings import normalised_name

GENRES_OF_AN_ARTIST = 5
"""How many genres are taken, those with the most votes: beyond them are single voters' whims."""

_SURE_SCORE = 90

Answers = Mapping[str, Any]
"""Bodies of answers by question: a path with query below /ws/2/."""


def next_question(artist: str, isrcs: Sequence[str], answers: Answers) -> str | None:
    """What to ask next about an artist; None where everything was asked.

    First by the ISRC of one of their tracks; where that does not credit the name, by the name; then for the genres of
    the artist who was found.

    Args:
        artist: the name, as plays have it.
        isrcs: ISRCs of tracks that credit the artist, the best first.
        answers: what is known.
    """
    found = _found(artist, isrcs, answers)
    if found is None and isrcs and not any(_by_isrc(isrc) in answers for isrc in isrcs):
        return _by_isrc(isrcs[0])
    question = _by_name(artist) if found is None else _about(found)
    return None if question in answers else question


def genres_of(artist: str, isrcs: Sequence[str], answers: Answers) -> list[str]:
    """The genres that the answers give an artist, those with the most votes first; none where nobody was found."""
    found = _found(artist, isrcs, answers)
    told = objects(mapping(answers.get(_about(found))).get("genres")) if found else []
    votes = {name: genre.get("count") for genre in told if (name := text(genre.get("name")))}
    backed = {name: count for name, count in votes.items() if isinstance(count, int) and count > 0}
    return sorted(backed, key=lambda name: (-backed[name], name))[:GENRES_OF_AN_ARTIST]


def _found(artist: str, isrcs: Sequence[str], answers: Answers) -> str | None:
    """MusicBrainz's id of the artist, as far as the answers tell."""
    name = normalised_name(artist)
    candidates = [*_credited(isrcs, answers), *_listed(answers.get(_by_name(artist)))]
    return next((id_ for id_, names in candidates if name in map(normalised_name, names)), None)


def _credited(isrcs: Sequence[str], answers: Answers) -> Iterator[tuple[str, list[str]]]:
    """The artists whom recordings of the ISRCs credit: id, and their names there and as such."""
    for isrc in isrcs:
        for recording in objects(mapping(answers.get(_by_isrc(isrc))).get("recordings")):
            for credit in objects(recording.get("artist-credit")):
                artist = mapping(credit.get("artist"))
                if id_ := text(artist.get("id")):
                    yield id_, [name for name in (text(credit.get("name")), text(artist.get("name"))) if name]


def _listed(answer: Any) -> Iterator[tuple[str, list[str]]]:
    """The artists whom a search is sure of: those of that name, then those who also go by it."""
    sure = [
        artist
        for artist in objects(mapping(answer).get("artists"))
        if isinstance(score := artist.get("score"), int) and score >= _SURE_SCORE and text(artist.get("id"))
    ]
    for artist in sure:
        yield artist["id"], [name for name in (text(artist.get("name")),) if name]
    for artist in sure:
        yield artist["id"], [name for alias in objects(artist.get("aliases")) if (name := text(alias.get("name")))]


def _by_isrc(isrc: str) -> str:
    return f"isrc/{quote(isrc, safe='')}?inc=artist-credits&fmt=json"


def _by_name(artist: str) -> str:
    escaped = artist.replace("\\", "\\\\").replace('"', '\\"')
    return "artist?" + urlencode({"query": f'artist:"{escaped}" OR alias:"{escaped}"', "limit": 5, "fmt": "json"})


def _about(artist_id: str) -> str:
    return f"artist/{quote(artist_id, safe='')}?inc=genres&fmt=json"


def known_answers(raw: pd.DataFrame) -> dict[str, Any]:
    """What `raw_musicbrainz` holds, by question; an answer that cannot be read is asked for again."""
    answers: dict[str, Any] = {}
    for question, payload in zip(raw["endpoint"], raw["payload"], strict=True):
        try:
            answers[question] = parse_json(payload)
        except ValueError:
            continue
    return answers
