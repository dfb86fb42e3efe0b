"""Poll answers of a truth: what recently-played would have said, hour by hour."""

from itertools import pairwise
from typing import Any

import orjson
import pandas as pd
import pytest

from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.polls import PAGE_PLAYS, answers_at, poll_answers, polled_plays

_TRACK_FIELDS = {
    *("album", "artists", "disc_number", "duration_ms", "explicit", "external_ids", "external_urls", "href", "id"),
    *("is_local", "is_playable", "name", "track_number", "type", "uri"),
}
_ALBUM_FIELDS = {
    *("album_type", "total_tracks", "artists", "external_urls", "href", "id", "images", "name", "release_date"),
    *("release_date_precision", "type", "uri"),
}


@pytest.fixture(scope="module")
def answers(truth: Truth) -> list[tuple[pd.Timestamp, dict[str, Any]]]:
    """Ten weeks of hourly polls, with the journey and its flights among them."""
    landing = pd.Timestamp(truth.zones[1][0])
    first = landing.floor("D") - pd.Timedelta(days=14)
    return list(poll_answers(truth, first, first + pd.Timedelta(days=70)))


def _played_at(answer: dict[str, Any]) -> list[pd.Timestamp]:
    return [pd.Timestamp(item["played_at"]) for item in answer["items"]]


def test_polls_come_every_hour_and_both_ends_count(answers: Any) -> None:
    instants = [instant for instant, _ in answers]
    assert len(instants) == 70 * 24 + 1
    assert {later - earlier for earlier, later in pairwise(instants)} == {pd.Timedelta("1h")}


def test_a_page_holds_at_most_50_plays_newest_first_and_none_of_the_future(answers: Any) -> None:
    for instant, answer in answers:
        times = _played_at(answer)
        assert len(times) == PAGE_PLAYS == answer["limit"]
        assert times == sorted(times, reverse=True)
        assert times[0] <= instant


def test_a_page_is_the_newest_of_all_that_spotify_knows(answers: Any, truth: Truth) -> None:
    """Checked against a search through everything, on each of the instants around the flights too."""
    plays = polled_plays(truth)
    for instant, answer in answers[::7]:
        known = plays[(plays["known_at"] <= instant) & (plays["played_at"] <= instant)].tail(PAGE_PLAYS)
        assert _played_at(answer) == known["played_at"].tolist()[::-1]


def test_every_play_that_counts_is_seen_by_hourly_polls_and_nothing_else(answers: Any, truth: Truth) -> None:
    """Never a private play, a podcast, or a play under 30 s."""
    first, last = answers[0][0], answers[-1][0]
    seen = {time for _, answer in answers for time in _played_at(answer)}
    plays = polled_plays(truth)
    assert plays["played_at"].is_unique
    assert set(plays.loc[(plays["played_at"] >= first) & (plays["known_at"] <= last), "played_at"]) <= seen
    assert seen <= set(plays["played_at"])
    events = truth.events.loc[plays["event"]]
    assert not events["is_private"].any()
    assert (events["media"] == "track").all()
    assert events["ms_played"].min() >= 30_000
    is_counted = (
        (truth.events["media"] == "track") & (truth.events["ms_played"] >= 30_000) & ~truth.events["is_private"]
    )
    assert len(events) == is_counted.sum()


def test_played_at_is_about_the_end_with_pauses(truth: Truth) -> None:
    plays = polled_plays(truth)
    apart = plays["played_at"] - truth.events["stopped_at"].loc[plays["event"]].array
    assert apart.between(pd.Timedelta(0), pd.Timedelta("1200ms")).all()


def test_plays_without_a_connection_arrive_late_among_older_ones(answers: Any) -> None:
    """A page can bring plays that are older than the newest play of the page before."""
    late = 0
    for (_, before), (_, after) in pairwise(answers):
        newest, known = _played_at(before)[0], set(_played_at(before))
        oldest = _played_at(before)[-1]
        late += sum(oldest < time < newest and time not in known for time in _played_at(after))
    assert late >= 5


def test_objects_have_the_fields_of_development_mode(answers: Any, truth: Truth) -> None:
    _, answer = answers[100]
    assert answer.keys() == {"items", "next", "cursors", "limit", "href"}
    assert answer["cursors"] == {
        "after": str(_played_at(answer)[0].value // 1_000_000),
        "before": str(_played_at(answer)[-1].value // 1_000_000),
    }
    assert f"before={answer['cursors']['before']}&" in answer["next"]
    for item in answer["items"]:
        assert item.keys() == {"track", "played_at", "context"}
        assert len(item["played_at"]) == len("2025-03-01T12:00:03.123Z")
        assert item["track"].keys() == _TRACK_FIELDS
        assert item["track"]["album"].keys() == _ALBUM_FIELDS
        assert item["track"]["uri"] == f"spotify:track:{item['track']['id']}"
        if item["context"] is not None:
            assert item["context"].keys() == {"type", "uri", "href", "external_urls"}
    assert orjson.loads(orjson.dumps(answer)) == answer
    assert {item["context"] is None for _, answer in answers for item in answer["items"]} == {True, False}
    names = set(truth.catalogue.artists["name"])
    assert all(artist["name"] in names for item in answer["items"] for artist in item["track"]["artists"])


def test_the_api_names_another_release_of_the_recording_now_and_then(truth: Truth) -> None:
    """Track relinking: then only the ISRC, or title and artist, say that it is the recording of the export."""
    plays = polled_plays(truth)
    events = truth.events.loc[plays["event"]].reset_index(drop=True)
    is_relinked = plays["shown"] != events["release"]
    assert 0.0002 < is_relinked.mean() < 0.02
    recording = truth.catalogue.releases["recording"].to_numpy()[plays["shown"]]
    assert (recording == events["recording"]).all()


def test_before_the_first_play_the_page_is_empty(truth: Truth) -> None:
    instant = truth.events["started_at"].min() - pd.Timedelta("1h")
    ((asked, answer),) = answers_at(truth, [instant])
    assert asked == instant
    assert (answer["items"], answer["next"], answer["cursors"]) == ([], None, None)
