"""Consent and tokens: renewed in time, by several at once, across ends of consent and wrong clocks, and never seen."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotifriend_dagster.demo.spotify import Fault
from spotifriend_dagster.lake.secrets import FolderSecrets
from spotifriend_dagster.sources.errors import SourceError
from spotifriend_dagster.sources.spotify.client import open_client
from spotifriend_dagster.sources.spotify.errors import (
    ConsentEnded,
    NoApp,
    NotSignedIn,
    SignInError,
    Unavailable,
    WrongClientId,
)
from spotifriend_dagster.sources.spotify.tokens import (
    Token,
    consent_days_left,
    consent_ends_at,
    consent_sentence,
    forget_token,
    read_token,
    write_token,
)
from spotifriend_dagster_tests.sources.signed_in import World, world

TOKEN = Token(
    access_token="BQ-access",
    refresh_token="AQ-refresh",
    expires_at=datetime(2026, 5, 1, 13, tzinfo=UTC),
    authorized_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    scopes=frozenset({"user-top-read", "user-library-read"}),
    account_id="account",
    client_id="0123456789abcdef",
)


@pytest.fixture
def secrets(tmp_path: Path) -> FolderSecrets:
    """Where nothing is yet."""
    return FolderSecrets(tmp_path / "secrets")


# --- what is stored


@pytest.mark.parametrize("ended_at", [None, datetime(2026, 6, 1, tzinfo=UTC)])
def test_a_token_comes_back_as_it_was_kept(secrets: FolderSecrets, ended_at: datetime | None):
    """Another process reads what this one wrote."""
    token = replace(TOKEN, ended_at=ended_at)
    assert read_token(secrets, "robin") is None
    write_token(secrets, "robin", token)
    assert read_token(secrets, "robin") == token
    forget_token(secrets, "robin")
    assert read_token(secrets, "robin") is None


def test_a_token_shows_nothing_of_itself():
    """Dagster, pytest and tracebacks print what they are handed."""
    assert not [said for said in ("BQ-access", "AQ-refresh", "account'") if said in repr(TOKEN)]


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.text(), st.builds(json.dumps, st.dictionaries(st.sampled_from(["version", "scopes"]), st.integers())))
)
def test_a_damaged_token_is_one_sentence(tmp_path_factory: pytest.TempPathFactory, text: str):
    """Cut off, emptied, edited: the cure is signing in again, and the text is not shown."""
    secrets = FolderSecrets(tmp_path_factory.mktemp("secrets"))
    secrets.write("spotify/robin", text)
    with pytest.raises(NotSignedIn, match=r"^robin has a sign-in .*: spotifriend login --listener robin$"):
        read_token(secrets, "robin")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "of another version"),
        ({"refresh_token": None}, "damaged"),
        ({"refresh_token": ""}, "damaged"),
        ({"expires_at": "soon"}, "damaged"),
        ({"scopes": [1]}, "damaged"),
        ({"scopes": None}, "damaged"),
    ],
)
def test_a_token_of_another_shape_is_refused(secrets: FolderSecrets, change: dict[str, object], said: str):
    """A later version may write what this one cannot read."""
    write_token(secrets, "robin", TOKEN)
    text = secrets.read("spotify/robin")
    assert text is not None
    secrets.write("spotify/robin", json.dumps(json.loads(text) | change))
    with pytest.raises(NotSignedIn, match=said) as refused:
        read_token(secrets, "robin")
    assert "AQ-refresh" not in str(refused.value)


def test_a_token_file_that_cannot_be_read_or_written_is_one_sentence(secrets: FolderSecrets):
    """A folder stands where the file should be; permissions are of this kind, too."""
    (secrets.root / "spotify" / "robin").mkdir(parents=True)
    with pytest.raises(NotSignedIn, match="Is a directory"):
        read_token(secrets, "robin")
    with pytest.raises(SignInError, match="cannot be kept"):
        write_token(secrets, "robin", TOKEN)


@pytest.mark.parametrize(
    ("authorized", "ends"),
    [("2026-05-01", "2026-11-01"), ("2026-08-31", "2027-02-28"), ("2027-08-31", "2028-02-29")],
)
def test_consent_ends_after_six_calendar_months(authorized: str, ends: str):
    """Warnings count down to it; a day late is too late."""
    token = replace(TOKEN, authorized_at=datetime.fromisoformat(f"{authorized}T10:00:00+00:00"))
    end = consent_ends_at(token)
    assert end == datetime.fromisoformat(f"{ends}T10:00:00+00:00")
    assert consent_days_left(token, end - timedelta(days=3, seconds=1)) == 3
    assert consent_days_left(token, end - timedelta(hours=1)) == 0
    assert consent_days_left(token, end + timedelta(days=9)) == 0


def test_how_it_stands_is_said_for_everybody(secrets: FolderSecrets):
    """Signed in, soon to end, ended, damaged, never: a sentence each, and the cure where one is due."""
    now = datetime(2026, 10, 20, tzinfo=UTC)
    write_token(secrets, "robin", replace(TOKEN, authorized_at=datetime(2026, 9, 1, tzinfo=UTC)))
    write_token(secrets, "soon", TOKEN)
    write_token(secrets, "ended", replace(TOKEN, authorized_at=datetime(2026, 4, 1, tzinfo=UTC)))
    write_token(secrets, "revoked", replace(TOKEN, ended_at=datetime(2026, 10, 1, tzinfo=UTC)))
    secrets.write("spotify/damaged", "{")
    said = [consent_sentence(secrets, who, now) for who in ("robin", "soon", "ended", "revoked", "damaged", "never")]
    assert said[0] == "robin is signed in to Spotify: 132 days of consent left, until 2027-03-01"
    assert said[1].startswith("soon is signed in to Spotify: 12 days of consent left, until 2026-11-01; sign in again")
    assert said[2].startswith("ended's consent has ended")
    assert said[3].startswith("revoked's consent has ended")
    assert said[5] == "never is not signed in to Spotify: spotifriend login --listener never"
    assert ["spotifriend login --listener" in sentence for sentence in said] == [False] + [True] * 5


# --- renewing


def test_nobody_is_asked_in_a_job(nobody: World):
    """Without an app or a sign-in there is a sentence at once, and no browser, prompt or call."""
    with pytest.raises(NotSignedIn, match=r"^robin is not signed in to Spotify: spotifriend login --listener robin$"):
        nobody.client()
    with pytest.raises(NoApp, match="SPOTIFRIEND_SPOTIFY_CLIENT_ID"):
        open_client(replace(nobody.app, client_id=None), nobody.secrets, "robin", budget=1)
    assert nobody.spotify.requests == []


def test_a_token_of_another_app_is_not_used(robin: World):
    """A refresh token is good for the app that got it only."""
    with pytest.raises(NotSignedIn, match="another Spotify app"):
        open_client(replace(robin.app, client_id="f" * 32), robin.secrets, "robin", budget=1)


@pytest.mark.parametrize("refresh_tokens", ["kept", "rotated", "blank"])
def test_an_old_token_is_renewed_and_kept(tmp_path: Path, refresh_tokens: str):
    """With a new refresh token or without, also where it is an empty text; consent and scopes stay as they were."""
    with world(tmp_path, refresh_tokens=refresh_tokens) as here:
        here.sign_in()
        before = here.token()
        for _ in range(3):
            here.spotify.clock.advance(timedelta(hours=2))
            client = here.client()
            assert list(client.recently_played())
            assert list(client.recently_played())
            assert client.calls == 2
        after = here.token()
        assert here.asked("/api/token") == 1 + 3
        assert after.access_token != before.access_token
        assert (after.refresh_token != before.refresh_token) == (refresh_tokens == "rotated")
        assert (after.authorized_at, after.scopes) == (before.authorized_at, before.scopes)


def test_an_answer_without_scopes_changes_none(robin: World):
    """spotipy would take the next run for one that must ask a person."""
    scopes = robin.token().scopes
    robin.spotify.clock.advance(timedelta(hours=2))
    access = robin.spotify.consent("robin", scopes)["access_token"]
    robin.spotify.faults.add("/api/token", Fault.sent({"access_token": access, "refresh_token": ""}))
    assert list(robin.client().recently_played())
    assert robin.token().scopes == scopes


@pytest.mark.parametrize("skew", [timedelta(hours=-5), timedelta(hours=5), timedelta(days=-400)])
def test_a_wrong_clock_does_not_lock_out(robin: World, skew: timedelta):
    """Behind, a dead token looks good and is refused; ahead, a good one looks dead. Both are renewed."""
    robin.spotify.clock.advance(timedelta(hours=2))
    client = open_client(
        robin.app,
        robin.secrets,
        "robin",
        budget=9,
        now=lambda: robin.spotify.clock() + skew,
        patience=robin.pauses.patience(),
    )
    assert list(client.recently_played())
    assert robin.asked("/api/token") == 1


def test_a_clock_that_was_set_right_does_not_lock_out(robin: World):
    """The token was stored by a clock a year ahead, and looks good for a year."""
    write_token(robin.secrets, "robin", replace(robin.token(), expires_at=robin.spotify.clock() + timedelta(days=365)))
    robin.spotify.clock.advance(timedelta(hours=2))
    client = robin.client()
    assert list(client.recently_played())
    assert (client.calls, robin.asked("/api/token")) == (2, 1)


def test_many_at_once_lose_nobody_s_sign_in(tmp_path: Path):
    """Spotify may replace the refresh token at each use; the schedule and a person poll at one moment."""
    with world(tmp_path, refresh_tokens="rotated") as here:
        here.sign_in()
        here.spotify.clock.advance(timedelta(hours=2))
        clients = [here.client() for _ in range(6)]
        outcomes: list[object] = []

        def poll(number: int) -> None:
            try:
                outcomes.append(len(list(clients[number].recently_played())))
            except SignInError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=poll, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Whoever was too slow to see the new token may be told so; what is stored is good, and unmarked.
        assert 1 in outcomes
        assert here.token().ended_at is None
        here.spotify.clock.advance(timedelta(hours=2))
        assert list(here.client().recently_played())


class _LateReader(FolderSecrets):
    """Sees what another process stored only some reads later."""

    late: tuple[int, str] = (0, "")

    def read(self, name: str) -> str | None:
        """The text of before, so many times."""
        times, before = self.late
        if times:
            self.late = times - 1, before
            return before
        return super().read(name)


@pytest.mark.parametrize("reads", [1, 2])
def test_a_refresh_token_that_was_replaced_meanwhile_is_read_again(tmp_path: Path, reads: int):
    """The other process got the new one first, and stores it before, or while, ours is refused."""
    with world(tmp_path, refresh_tokens="rotated") as here:
        here.sign_in()
        late = _LateReader(here.secrets.root)
        here.spotify.clock.advance(timedelta(hours=2))
        patience = here.pauses.patience()
        slow = open_client(here.app, late, "robin", budget=9, now=here.spotify.clock, patience=patience)
        before = here.secrets.read("spotify/robin")
        assert before is not None
        assert list(here.client().recently_played())
        late.late = reads, before
        assert list(slow.recently_played())
        assert here.token().ended_at is None


def test_an_ended_consent_is_marked_and_not_thrown_away(robin: World):
    """After six months: one call, a sentence, and from then on the sentence without a call."""
    robin.spotify.clock.advance(timedelta(days=190))
    client = robin.client()
    with pytest.raises(ConsentEnded, match="spotifriend login --listener robin"):
        list(client.recently_played())
    assert (client.calls, robin.asked("/api/token")) == (0, 1)
    assert robin.token().ended_at is not None
    assert "has ended" in consent_sentence(robin.secrets, "robin", robin.spotify.clock())
    with pytest.raises(ConsentEnded):
        robin.client()
    assert robin.asked("/api/token") == 1
    robin.sign_in()
    assert list(robin.client().recently_played())


def test_a_revoked_consent_is_found_out_at_once(robin: World):
    """The listener removed the app from their account; the access token looks good for an hour."""
    robin.spotify.revoke("robin")
    with pytest.raises(ConsentEnded):
        list(robin.client().recently_played())


def test_spotify_may_be_wrong_about_the_end(robin: World):
    """It once told everybody that their consent had ended; a day later the same token is tried again."""
    robin.spotify.clock.advance(timedelta(hours=2))
    body = {"error": "invalid_grant", "error_description": "Refresh token revoked"}
    robin.spotify.faults.add("/api/token", Fault.sent(body, 400))
    with pytest.raises(ConsentEnded):
        list(robin.client().recently_played())
    robin.spotify.clock.advance(timedelta(hours=23))
    with pytest.raises(ConsentEnded):
        robin.client()
    robin.spotify.clock.advance(timedelta(hours=2))
    assert list(robin.client().recently_played())
    assert robin.token().ended_at is None


def test_signing_out_or_in_meanwhile_is_respected(robin: World):
    """A renewal must not bring back a token that was forgotten, nor replace a newer sign-in."""
    client = robin.client()
    robin.spotify.clock.advance(timedelta(hours=2))
    robin.sign_in()
    newer = robin.token()
    assert list(client.recently_played())
    assert robin.token() == newer
    robin.spotify.clock.advance(timedelta(hours=2))
    forget_token(robin.secrets, "robin")
    with pytest.raises(NotSignedIn):
        list(client.recently_played())
    assert read_token(robin.secrets, "robin") is None


@pytest.mark.parametrize(
    ("fault", "times", "error"),
    [
        (Fault.server_error(500), None, Unavailable),
        (Fault.sent({"error": {"status": 503}}, 503), None, Unavailable),
        (Fault.refused("<html>", 200), None, Unavailable),
        (Fault.dropped(), None, Unavailable),
        (Fault.slow(1), None, Unavailable),
        (Fault.sent({"error": "invalid_client"}, 400), 1, WrongClientId),
        (Fault.sent({"token_type": "Bearer"}), 1, SignInError),
        (Fault.refused("no", 418), 1, SignInError),
    ],
    ids=repr,
)
def test_trouble_at_the_token_endpoint_is_a_sentence(
    robin: World, fault: Fault, times: int | None, error: type[Exception]
):
    """It has timeouts and retries as well, and never marks the consent as ended."""
    robin.spotify.clock.advance(timedelta(hours=2))
    robin.spotify.faults.add("/api/token", fault, times=times)
    with pytest.raises(error) as failed:
        list(robin.client(read=0.1, attempts=2).recently_played())
    assert "\n" not in str(failed.value)
    assert robin.token().ended_at is None
    robin.spotify.faults.clear()
    assert list(robin.client().recently_played())


def test_no_token_is_ever_logged_or_said(nobody: World, caplog: pytest.LogCaptureFixture, tmp_path: Path):
    """At DEBUG, through signing in, polling, renewing, failing and ending: not in logs, errors, representations."""
    caplog.set_level(logging.DEBUG)
    seen: set[str] = set()
    shown: list[str] = []

    def remember() -> None:
        token = nobody.token()
        seen.update((token.access_token, token.refresh_token))
        shown.append(repr(token))

    nobody.sign_in()
    remember()
    nobody.spotify.clock.advance(timedelta(hours=2))
    client = nobody.client()
    for fault in (
        Fault.server_error(503),
        Fault.sent({"error": {"status": 401, "message": "The access token expired"}}, 401),
        Fault.refused(f"Invalid access token: {nobody.token().access_token}"),
    ):
        nobody.spotify.faults.add("/recently-played", fault)
    with pytest.raises(SourceError) as refused:
        list(client.recently_played())
    remember()
    shown += [str(refused.value), repr(refused.value), repr(client), repr(vars(client)), repr(nobody.client())]
    nobody.spotify.revoke("robin")
    with pytest.raises(ConsentEnded) as ended:
        list(nobody.client().recently_played())
    shown += [str(ended.value), repr(ended.value.__context__)]
    assert len(seen) == 3  # the refresh token was kept
    everything = "\n".join([caplog.text, *shown])
    assert "recently-played" in caplog.text  # there are logs, of spotipy and urllib3
    assert [secret for secret in seen if secret in everything] == []
    assert "Bearer" not in everything
    assert "code=" not in everything
