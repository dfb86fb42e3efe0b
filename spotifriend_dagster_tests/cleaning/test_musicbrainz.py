"""What MusicBrainz is asked about an artist, and what is believed of its answers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from spotifriend_dagster.cleaning.musicbrainz import genres_of, known_answers, next_question

ISRC = "isrc/GB1?inc=artist-credits&fmt=json"
SEARCH = "artist?query=artist%3A%22Bj%C3%B6rk%22+OR+alias%3A%22Bj%C3%B6rk%22&limit=5&fmt=json"
ARTIST = "artist/mbid?inc=genres&fmt=json"
NOT_FOUND = {"error": "Not Found"}


def credit(*names: str, id_: str = "mbid") -> dict[str, Any]:
    """An answer about an ISRC: recordings that credit these names."""
    credits = [{"name": name, "artist": {"id": id_, "name": name}} for name in names]
    return {"recordings": [{"artist-credit": credits}]}


def listed(*artists: tuple[str, str, int], aliases: tuple[str, ...] = ()) -> dict[str, Any]:
    """An answer of a search: id, name and score."""
    named = [{"name": alias} for alias in aliases]
    return {"artists": [{"id": id_, "name": name, "score": score, "aliases": named} for id_, name, score in artists]}


def voted(**votes: int) -> dict[str, Any]:
    return {"id": "mbid", "genres": [{"name": name, "count": count} for name, count in votes.items()]}


def asked(answers: dict[str, Any], isrcs: list[str] | None = None) -> list[str]:
    """The questions about Björk, in order, of somebody who has these answers at hand when asked."""
    known: dict[str, Any] = {}
    questions = []
    while question := next_question("Björk", isrcs or [], known):
        questions.append(question)
        known[question] = answers.get(question, NOT_FOUND)
    return questions


def test_the_isrc_is_asked_first_and_saves_the_search() -> None:
    """A name is shared by many artists; a recording is somebody's."""
    assert asked({ISRC: credit("BJÖRK")}, ["GB1", "GB2"]) == [ISRC, ARTIST]


@pytest.mark.parametrize("answer", [NOT_FOUND, {}, [], None, credit("Various"), {"recordings": [{"artist-credit": 1}]}])
def test_without_an_isrc_that_credits_the_name_the_name_is_asked(answer: Any) -> None:
    """One ISRC is tried, and no other: each question costs a second of everybody's."""
    found = listed(("mbid", "Björk", 100))
    assert asked({ISRC: answer, SEARCH: found}, ["GB1", "GB2"]) == [ISRC, SEARCH, ARTIST]
    assert asked({SEARCH: found}) == [SEARCH, ARTIST]


def test_nobody_is_asked_about_twice() -> None:
    """What was answered stays known, also that nobody of that name is; and when other ISRCs become known."""
    assert asked({}, ["GB1"]) == [ISRC, SEARCH]
    assert next_question("Björk", ["GB0", "GB1"], {ISRC: NOT_FOUND, SEARCH: NOT_FOUND}) is None
    assert next_question("Björk", ["GB0", "GB1"], {ISRC: credit("Björk"), ARTIST: voted()}) is None


@pytest.mark.parametrize(
    ("answer", "is_found"),
    [
        (listed(("mbid", "björk ", 100)), True),
        (listed(("other", "Björk Guðmundsdóttir", 100), ("mbid", "Björk", 95)), True),
        (listed(("mbid", "Bjork", 95), aliases=("Björk",)), True),
        (listed(("mbid", "Björk", 80)), False),
        (listed(("mbid", "Björn", 100)), False),
    ],
)
def test_a_search_is_believed_where_it_is_sure_of_the_name(answer: Any, is_found: bool) -> None:
    """A near name is somebody else, and a wrong genre is worse than none."""
    assert bool(genres_of("Björk", [], {SEARCH: answer, ARTIST: voted(pop=1)})) == is_found


def test_genres_are_those_with_the_most_votes() -> None:
    """Single voters' whims, and genres that were voted down, are left out."""
    votes = voted(pop=9, house=2, folk=2, trance=3, jazz=1, electronic=8, polka=0, metal=-1)
    answers = {ISRC: credit("Björk"), ARTIST: votes}
    assert genres_of("Björk", ["GB1"], answers) == ["pop", "electronic", "trance", "folk", "house"]
    assert genres_of("Björk", ["GB1"], {ISRC: credit("Björk")}) == []


def test_quotes_in_a_name_do_not_end_the_question() -> None:
    """ "Weird Al" Yankovic is one name to Lucene, too."""
    question = next_question('"Weird Al" Yankovic', [], {})
    assert question is not None and "%5C%22Weird+Al%5C%22" in question


def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    """A line of raw that was cut off costs one question."""
    raw = pd.DataFrame({"endpoint": [ISRC, SEARCH], "payload": ['{"recordings": []}', '{"art']})
    assert known_answers(raw) == {ISRC: {"recordings": []}}
