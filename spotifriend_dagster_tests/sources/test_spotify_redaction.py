"""People in the Web API's answers: nothing but hashes is kept of them, wherever they stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.sources.spotify.redaction import person_hash, redacted, redacted_profile

NAME = "wizzler.müller-31xyz"
ENCODED = "wizzler.m%C3%BCller-31xyz"
ME = "account-of-robin"


def user(**others: Any) -> dict[str, Any]:
    """A user object as the Web API writes it."""
    return {
        "display_name": "Wizz Ler",
        "external_urls": {"spotify": f"https://open.spotify.com/user/{ENCODED}"},
        "href": f"https://api.spotify.com/v1/users/{ENCODED}",
        "id": NAME,
        "type": "user",
        "uri": f"spotify:user:{NAME}",
    } | others


HASHED = {"type": "user", "id": person_hash(ME, NAME)}

people = st.sampled_from(
    [
        ({"owner": user()}, {"owner": HASHED}),
        ({"added_by": user()}, {"added_by": HASHED}),
        ({"added_by": {"id": NAME}}, {"added_by": HASHED}),
        ({"added_by": None}, {"added_by": None}),
        ({"owner": {"type": "user"}}, {"owner": {"type": "user", "id": None}}),
        ({"user": NAME}, {"user": HASHED}),
        ({"collaborators": [user(), user(type=None)]}, {"collaborators": [HASHED, HASHED]}),
        ({"email": "wizz@ler"}, {}),
        ({"client_ip": "127.0.0.1"}, {}),
        (
            {"context": {"uri": f"spotify:user:{NAME}:playlist:37i9dQ", "type": "playlist"}},
            {"context": {"uri": f"spotify:user:{HASHED['id']}:playlist:37i9dQ", "type": "playlist"}},
        ),
        (
            {"next": f"https://api.spotify.com/v1/users/{ENCODED}/playlists?offset=50"},
            {"next": f"https://api.spotify.com/v1/users/{HASHED['id']}/playlists?offset=50"},
        ),
    ]
)
kept = st.dictionaries(
    st.sampled_from(["name", "id", "description", "external_ids", "total", "isrc", "popularity"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("a user is no user"),
    max_size=3,
)


def nested(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """What is around a person, before and after."""
    return st.one_of(
        st.tuples(kept, inner).map(lambda made: ({**made[0], "item": made[1][0]}, {**made[0], "item": made[1][1]})),
        st.lists(inner, max_size=3).map(lambda made: ([each[0] for each in made], [each[1] for each in made])),
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(people, nested, max_leaves=6))
def test_people_are_hashes_wherever_they_stand(made: tuple[Any, Any]):
    """As owner, as adder, in a list, in an address, in the old URI; everything else stays as it was."""
    before, after = made
    copy = json.loads(json.dumps(before))
    result = redacted(before, ME)
    assert result == after
    assert before == copy
    text = json.dumps(result, ensure_ascii=False)
    assert not [said for said in (NAME, ENCODED, "Wizz", "wizz@ler", "127.0.0.1") if said in text]


def test_a_person_has_another_hash_in_another_s_data():
    """Two listeners' lakes must not tell whom both know; within one, the same person stays the same."""
    assert person_hash(ME, NAME) == person_hash(ME, NAME) != person_hash("account-of-ana", NAME)
    assert person_hash(ME, NAME) != person_hash(ME, NAME.upper())
    assert len(person_hash(ME, NAME)) == 32


def test_of_oneself_little_is_kept():
    """Country, product and followers where Spotify says them; no name, no address, no picture."""
    body = user(
        account_id=ME,
        email="wizz@ler",
        country="DE",
        product="premium",
        images=[{"url": "https://i.scdn.co/face"}],
        followers={"href": None, "total": 7},
        explicit_content={"filter_enabled": False},
    )
    assert redacted_profile(body, ME) == {
        "account": person_hash(ME, ME),
        "id": HASHED["id"],
        "country": "DE",
        "product": "premium",
        "followers": {"total": 7},
    }
    assert redacted_profile(user(followers=None), ME) == {"account": person_hash(ME, ME), "id": HASHED["id"]}
