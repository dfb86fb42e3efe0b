"""What can go wrong with Spotify, as classes. Each text is one sentence with its cure, and holds no token.

SignInError     the listener has to sign in (again): nothing of theirs can be asked
  NotSignedIn · ConsentEnded · WrongClientId · OtherAccount
NoApp           no Spotify app is configured: nothing can be asked for anybody
PullStopped     Spotify, or the budget, says: not now. What came before is good; ask again at `retry_at`
  QuotaExceeded · RateLimited · OverBudget
Denied          this will not be answered, until something changes
  MissingScope · NotAllowListed · PremiumNeeded · Forbidden
NotFound        there is no such thing
Unavailable     transient: Spotify, or the way to it, is down
"""

from datetime import UTC, datetime

from spotifriend_dagster.sources.errors import PermanentError, TransientError

_GUIDE = "docs/spotify-app.md"


def login_command(listener: str) -> str:
    """The cure of most of these."""
    return f"spotifriend login --listener {listener}"


def _when(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


class NoApp(PermanentError):
    """No client id is set."""

    def __init__(self) -> None:
        super().__init__(
            "There is no Spotify app to ask Spotify with: make your own in ten minutes as docs/spotify-app.md shows, "
            "and put its client id into SPOTIFRIEND_SPOTIFY_CLIENT_ID."
        )


class SignInError(PermanentError):
    """Signing in failed, or is needed."""


class NotSignedIn(SignInError):
    """There is no usable token of the listener."""

    def __init__(self, listener: str, why: str = "is not signed in to Spotify") -> None:
        super().__init__(f"{listener} {why}: {login_command(listener)}")


class ConsentEnded(SignInError):
    """Spotify took the refresh token back: six months are over, or the listener removed the app."""

    def __init__(self, listener: str) -> None:
        super().__init__(
            f"{listener}'s consent has ended (Spotify ends it six months after signing in, and when the app is removed "
            f"from the account): {login_command(listener)}"
        )


class WrongClientId(SignInError):
    """Spotify knows no app of that client id."""

    def __init__(self, client_id: str) -> None:
        super().__init__(
            f"Spotify knows no app with the client id {client_id}: copy it from the app's page on "
            f"developer.spotify.com/dashboard into SPOTIFRIEND_SPOTIFY_CLIENT_ID ({_GUIDE})."
        )


class OtherAccount(SignInError):
    """Another account signed in than the one that the listener's data come from, or one that is another listener's."""


class PullStopped(PermanentError):
    """Not now. What was answered before is good, and kept; `retry_at` (UTC) is when asking makes sense again."""

    def __init__(self, sentence: str, retry_at: datetime) -> None:
        super().__init__(sentence)
        self.retry_at = retry_at


class QuotaExceeded(PullStopped):
    """The quota of the app owner's developer account is used up, for hours."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(
            f"The Spotify app's quota is used up until {_when(retry_at)}: what came before is kept, and a run after "
            "that goes on; a lower SPOTIFRIEND_API_BUDGET spreads the calls.",
            retry_at,
        )


class RateLimited(PullStopped):
    """Spotify asks to wait for longer than a run may sleep."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(
            f"Spotify asks not to be asked until {_when(retry_at)}: what came before is kept, and a run after that "
            "goes on.",
            retry_at,
        )


class OverBudget(PullStopped):
    """The calls that this listener may make on this UTC day are made."""

    def __init__(self, listener: str, retry_at: datetime) -> None:
        super().__init__(
            f"The calls that {listener} may make today are used up: what came before is kept, and a run after "
            f"{_when(retry_at)} goes on; SPOTIFRIEND_API_BUDGET sets how many they are.",
            retry_at,
        )


class Denied(PermanentError):
    """Spotify will not answer this until something changes; asking again is no use."""


class MissingScope(Denied):
    """The listener's consent does not cover this; `scope` is what is missing."""

    def __init__(self, listener: str, scope: str, cost: str) -> None:
        super().__init__(f"{listener}'s consent lacks {scope}, so {cost}: {login_command(listener)}")
        self.scope = scope


class NotAllowListed(Denied):
    """The app is in development mode, and its owner has not named this account."""

    def __init__(self, listener: str) -> None:
        super().__init__(
            f"Spotify does not let the app ask for {listener}: its owner has to add {listener}'s Spotify account on "
            f"developer.spotify.com/dashboard, under User Management ({_GUIDE})."
        )


class PremiumNeeded(Denied):
    """The app's owner has no Premium subscription."""

    def __init__(self) -> None:
        super().__init__(
            "Spotify answers only while the app's owner has Premium: renew it, or use an app whose owner has it, and "
            f"allow a few hours ({_GUIDE})."
        )


class Forbidden(Denied):
    """The app, or the listener, may not ask for this: a removed endpoint, or somebody else's playlist."""

    def __init__(self, endpoint: str, said: str) -> None:
        super().__init__(
            f"Spotify does not answer {endpoint} to this app or listener ({said}): nothing can be done about it, and "
            "everything else is collected."
        )


class NotFound(PermanentError):
    """There is nothing of that id, or no longer."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"Spotify has nothing at {endpoint}, or no longer: it is left out.")


class Unavailable(TransientError):
    """Spotify, or the way to it, is down."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: nothing is lost, and the next run asks again.")
