"""The client against the simulated Spotify: pages, patience, refusals and the budget."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import orjson
import pytest

from spotifriend_dagster.demo.spotify import Fault
from spotifriend_dagster.demo.spotify.answers import Answer
from spotifriend_dagster.sources.errors import PermanentError, SourceError, TransientError
from spotifriend_dagster.sources.spotify.errors import (
    Denied,
    Forbidden,
    MissingScope,
    NotAllowListed,
    NotFound,
    NotSignedIn,
    OtherAccount,
    OverBudget,
    PremiumNeeded,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from spotifriend_dagster.sources.spotify.tokens import write_token
from spotifriend_dagster_tests.sources.signed_in import World, world

TOPS = "/me/top/tracks"


@pytest.mark.parametrize("dialect", ["development", "extended"])
def test_everything_that_is_collected_is_answered_in_both_dialects(tmp_path: Path, dialect: str):
    """One method each; every page of it, and no private field in any."""
    with world(tmp_path, dialect) as here:
        here.sign_in()
        client = here.client()
        (recent,) = client.recently_played()
        assert recent.endpoint == "/v1/me/player/recently-played?limit=50"
        assert len(recent.body["items"]) == 50
        for tops in (client.top_tracks(), client.top_artists()):
            spans = [parse_qs(answer.endpoint.partition("?")[2])["time_range"] for answer in tops]
            assert spans == [["short_term"], ["medium_term"], ["long_term"]]
        (playlists,) = client.playlists()
        own = playlists.body["items"][0]
        (profile,) = client.profile()
        assert own["owner"] == {"type": "user", "id": profile.body["id"]}
        held = own.get("items") or own["tracks"]
        assert sum(len(page.body["items"]) for page in client.playlist_items(own["id"])) == held["total"]
        saved = list(client.saved_tracks())
        assert sum(len(page.body["items"]) for page in saved) == saved[0].body["total"] > 50
        followed = list(client.followed_artists())
        assert sum(len(page.body["artists"]["items"]) for page in followed) == followed[0].body["artists"]["total"]
        track = recent.body["items"][0]["track"]
        for kind, id_ in (
            ("track", track["id"]),
            ("album", track["album"]["id"]),
            ("artist", track["artists"][0]["id"]),
        ):
            (looked_up,) = getattr(client, kind)(id_)
            assert looked_up.body["id"] == id_
        if dialect == "extended":
            features = list(client.audio_features([track["id"]] * 101))
            assert [len(answer.body["audio_features"]) for answer in features] == [100, 1]
        else:
            with pytest.raises(Forbidden):
                next(client.audio_features([track["id"]]))
        account = here.spotify.listeners["robin"]
        everything = str([recent, playlists, profile, *saved])
        assert not [said for said in (account.user_id, account.account_id, account.email) if said in everything]
        assert client.calls == len(here.spotify.requests) - 3  # signing in took three
        assert client.retries == 0


def test_pages_come_one_by_one(robin: World):
    """Whoever has seen the newest saved tracks before stops, and pays for one call."""
    client = robin.client()
    next(client.saved_tracks())
    assert client.calls == 1


@pytest.mark.parametrize(
    "next_",
    [
        "https://elsewhere.example/v1/users/robin/playlists?offset=1&limit=1",  # another host would get the token
        "/v1/users/robin/playlists?offset=1&limit=1",  # removed in development mode, and no address at all
    ],
)
def test_the_next_page_is_asked_for_by_its_place(robin: World, next_: str):
    """Spotify's own address of it is not followed."""
    robin.spotify.faults.add("/me/playlists", Fault.sent({"items": [{"id": "a"}], "next": next_}))
    assert len(list(robin.client().playlists())) == 2
    assert [(request.path, request.query["offset"]) for request in robin.spotify.requests] == [
        ("/v1/me/playlists", "0"),
        ("/v1/me/playlists", "1"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        {"items": [{"id": "a"}], "next": "https://api.spotify.com/v1/me/tracks?offset=50"},
        {"items": [], "next": "https://api.spotify.com/v1/me/tracks?offset=50"},
        {"items": [{"id": "a"}], "next": "https://api.spotify.com/v1/me/tracks"},
        {"items": [{"id": "a"}], "next": 7},
        {"items": None},
    ],
)
def test_pages_that_lead_nowhere_end(robin: World, page: dict[str, object]):
    """A `next` that never ends would use up the budget of a day."""
    robin.spotify.faults.add("/me/tracks", Fault.sent(page), times=None)
    assert len(list(robin.client().saved_tracks())) <= 2


def test_a_short_wait_is_waited(robin: World):
    """Retry-After of seconds is slept, and counted as a retry."""
    robin.spotify.faults.add(TOPS, Fault.rate_limited(7))
    client = robin.client()
    assert len(list(client.top_tracks())) == 3
    assert (client.calls, client.retries) == (4, 1)
    assert [7 <= slept <= 8 for slept in robin.pauses.slept] == [True]


def test_a_long_wait_stops_the_pull_and_keeps_what_came(robin: World):
    """urllib3 would sleep for six hours; the third answer's trouble must not cost the first two."""
    robin.spotify.faults.add(TOPS, Fault.rate_limited(61), skip=2)
    answers = robin.client().top_tracks()
    assert len(list(itertools.islice(answers, 2))) == 2
    with pytest.raises(RateLimited, match="what came before is kept") as stopped:
        next(answers)
    assert abs(stopped.value.retry_at - robin.spotify.clock() - timedelta(seconds=61)) < timedelta(seconds=30)
    assert robin.pauses.slept == []


@pytest.mark.parametrize("hours", [14.0, 0.001, None])
def test_a_used_up_quota_is_never_slept(robin: World, hours: float | None):
    """However short Retry-After is, or missing: then a day's window is assumed."""
    fault = Fault.quota_exceeded(hours or 0)
    if hours is None:
        assert fault.answer is not None
        fault = replace(fault, answer=replace(fault.answer, headers={}))
    robin.spotify.faults.add(TOPS, fault, times=None)
    client = robin.client()
    with pytest.raises(QuotaExceeded) as stopped:
        next(client.top_tracks())
    until = stopped.value.retry_at - robin.spotify.clock()
    assert abs(until - timedelta(hours=24 if hours is None else hours)) < timedelta(minutes=1)
    assert (client.calls, robin.pauses.slept) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault.server_error(status) for status in (500, 502, 503, 504)),
        Fault.broken_json(),
        Fault.dropped(),
        Fault.sent(["no object"]),
        Fault.sent({"error": "strange"}, 503),
        Fault.refused("upstream connect error", 503),
        Fault.rate_limited(None),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(robin: World, fault: Fault):
    """Three failures are survived; the pauses grow."""
    robin.spotify.faults.add(TOPS, fault, times=3)
    client = robin.client()
    assert next(client.top_tracks()).body["items"]
    assert (client.calls, client.retries) == (4, 3)
    assert [low <= slept <= low + 1 for low, slept in zip((1, 2, 4), robin.pauses.slept, strict=True)] == [True] * 3


def test_half_a_character_does_not_cost_the_page(robin: World):
    """Titles that were cut by bytes end so; no writer of UTF-8 takes them, and the same plays come hour after hour."""
    body = b'{"items": [{"name": "half \\ud83d", "number": 123456789012345678901234567890}]}'
    robin.spotify.faults.add(TOPS, Fault(Answer(200, body)))
    (item,) = next(robin.client().top_tracks()).body["items"]
    assert item["name"] == "half \ufffd"
    assert orjson.loads(orjson.dumps(item)) == item


def test_trying_again_ends(robin: World):
    """Four times in vain are enough for one run; the class says that a later run may do."""
    robin.spotify.faults.add(TOPS, Fault.server_error(503), times=None)
    client = robin.client()
    with pytest.raises(TransientError, match=r"status 503\): nothing is lost, and the next run asks again"):
        next(client.top_tracks())
    assert client.calls == 4


def test_slow_answers_are_not_waited_for(robin: World):
    """A server that hangs would hang the run, and the lock of the next one."""
    robin.spotify.faults.add(TOPS, Fault.slow(3), times=None)
    with pytest.raises(Unavailable, match="did not answer in time"):
        next(robin.client(attempts=2, read=0.2).top_tracks())


def test_a_pull_has_a_deadline(robin: World):
    """Troubles of a minute each at a hundred pages would take hours."""
    robin.spotify.faults.add("/me/tracks", Fault.rate_limited(50), times=None)
    client = robin.client(pull=120, attempts=100)
    with pytest.raises(RateLimited):
        list(client.saved_tracks())
    assert sum(robin.pauses.slept) <= 120


def test_no_network_is_said_in_a_sentence(robin: World, tmp_path: Path):
    """A laptop polls on a train."""
    client = robin.client(connect=0.5)
    robin.spotify.__exit__()
    with pytest.raises(Unavailable, match=r"^Spotify cannot be reached \(no connection\): nothing is lost"):
        next(client.top_tracks())
    assert client.calls == 4


NOT_OWNER = (
    "Active premium subscription required for the owner of the app. When the subscription status changes, it can"
)


@pytest.mark.parametrize(
    ("fault", "error", "cure"),
    [
        (Fault.refused(NOT_OWNER), PremiumNeeded, "renew it"),
        (Fault.refused("User not registered in the Developer Dashboard"), NotAllowListed, "User Management"),
        (
            Fault.sent({"error": {"status": 403, "message": "The user is not registered for this application"}}, 403),
            NotAllowListed,
            "add robin's Spotify account",
        ),
        (
            Fault.refused("Check settings on developer.spotify.com/dashboard, the user may not be registered."),
            NotAllowListed,
            "User Management",
        ),
        (
            Fault.sent({"error": {"status": 403, "message": "Insufficient client scope"}}, 403),
            MissingScope,
            "lacks user-top-read, so top tracks and top artists are not collected: spotifriend login --listener robin",
        ),
        (
            Fault.sent({"error": {"status": 403, "message": "Forbidden"}}, 403),
            Forbidden,
            "everything else is collected",
        ),
        (Fault.sent({"error": "a string"}, 403), Forbidden, "(a string)"),
        (Fault.sent({"error": {"message": None}}, 403), Forbidden, "(status 403)"),
        (Fault.sent([1], 403), Forbidden, "([1])"),
        (Fault.refused("<html><body>403</body></html>"), Forbidden, "(status 403)"),
        (Fault.refused("", 410), Forbidden, "(status 410)"),
        (Fault.refused("what\n\nis this", 404), NotFound, "left out"),
        (Fault.sent({"error": {"status": 400, "message": "Invalid base62 id"}}, 400), NotFound, "left out"),
        (Fault.sent({"error": {"status": 400, "message": "Invalid limit"}}, 400), PermanentError, "(Invalid limit)"),
        (Fault.sent({}, 302), PermanentError, "status 302"),
    ],
)
def test_refusals_are_told_apart(robin: World, fault: Fault, error: type[SourceError], cure: str):
    """One call, one sentence, the cure; whether the body is JSON, a page or a text."""
    robin.spotify.faults.add(TOPS, fault)
    client = robin.client()
    with pytest.raises(SourceError) as refused:
        next(client.top_tracks())
    assert type(refused.value) is error
    assert cure in str(refused.value)
    assert "\n" not in str(refused.value)
    assert client.calls == 1


def test_a_listener_off_the_list_does_not_stop_others(nobody: World):
    """The app's owner forgot one of two."""
    for listener in ("robin", "ana"):
        nobody.sign_in(listener)
    nobody.spotify.listeners["ana"].is_allow_listed = False
    with pytest.raises(NotAllowListed):
        next(nobody.client("ana").recently_played())
    assert next(nobody.client("robin").recently_played()).body["items"]


def test_an_owner_without_premium_is_said(robin: World):
    """Every call is refused, in plain text."""
    robin.spotify.web_api.owner_has_premium = False
    with pytest.raises(PremiumNeeded):
        next(robin.client().recently_played())


def test_what_was_not_consented_to_is_not_asked_for(robin: World):
    """A missing scope costs one table, and no call."""
    write_token(robin.secrets, "robin", replace(robin.token(), scopes=frozenset({"user-top-read"})))
    client = robin.client()
    with pytest.raises(MissingScope, match="plays are not collected") as denied:
        next(client.recently_played())
    assert isinstance(denied.value, Denied)
    assert denied.value.scope == "user-read-recently-played"
    assert client.calls == 0
    assert next(client.top_artists()).body["items"]


@pytest.mark.parametrize("id_", ["spotify:local:a:b:c:1", "", "../me", "spotify:track:abc", "a?b"])
def test_what_cannot_be_an_id_is_not_asked_for(robin: World, id_: str):
    """Local files have none; a strange one must not become another endpoint."""
    client = robin.client()
    for asked in (client.track(id_), client.album(id_), client.artist(id_), client.playlist_items(id_)):
        with pytest.raises(NotFound):
            next(asked)
    with pytest.raises(NotFound):
        next(client.audio_features([id_]))
    assert client.calls == 0


def test_the_budget_is_kept(robin: World):
    """Repeated calls count; what came before is the caller's."""
    robin.spotify.faults.add(TOPS, Fault.server_error(503), skip=1)
    client = robin.client(budget=3)
    answers = client.top_tracks()
    assert len(list(itertools.islice(answers, 2))) == 2
    with pytest.raises(OverBudget, match="SPOTIFRIEND_API_BUDGET") as over:
        next(answers)
    assert (client.calls, client.retries) == (3, 1)
    assert len(robin.spotify.requests) == 3
    now = robin.spotify.clock()
    assert now < over.value.retry_at <= now + timedelta(days=1)
    assert over.value.retry_at.strftime("%H:%M:%S") == "00:00:00"


def test_a_token_of_another_account_collects_nothing(robin: World):
    """A token file that was copied from somebody else would mix two people for good."""
    write_token(robin.secrets, "robin", replace(robin.token(), account_id="somebody-else"))
    with pytest.raises(OtherAccount, match="another Spotify account"):
        next(robin.client().profile())


def test_a_netrc_file_does_not_replace_the_token(robin: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """requests would put its password in place of the bearer token."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    robin.spotify.clock.advance(timedelta(hours=2))
    assert next(robin.client().recently_played()).body["items"]


def test_a_refusal_that_goes_on_after_renewal_is_permanent(robin: World):
    """401, a new token, 401 again: once is enough."""
    robin.spotify.faults.add(TOPS, Fault.sent({"error": {"status": 401, "message": "No"}}, 401), times=None)
    client = robin.client()
    with pytest.raises(NotSignedIn, match="although just let in again: spotifriend login --listener robin"):
        next(client.top_tracks())
    assert client.calls == 2
    assert robin.asked("/api/token") == 1
