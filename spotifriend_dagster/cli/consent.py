"""`spotifriend login` and `logout`, and how it stands with the listeners' consent."""

from __future__ import annotations

from collections.abc import Iterable

import click

from spotifriend_dagster.cli.session import DEFAULT_LISTENER, Session, pass_session, speaks_plainly


@click.command()
@click.option("--listener", default=DEFAULT_LISTENER, show_default=True, help="Who signs in: an id in listeners.toml.")
@click.option("--zone", help="The listener's time zone (Europe/London), for one that listeners.toml does not name yet.")
@click.option("--name", help="The name that reports show, for a listener that listeners.toml does not name yet.")
@click.option("--no-browser", is_flag=True, help="Print the address to open, anywhere, and paste where it leads.")
@pass_session
@speaks_plainly
def login(session: Session, listener: str, zone: str | None, name: str | None, no_browser: bool) -> None:
    """Sign a listener in to Spotify, so that their listening can be collected; about twice a year.

    It needs a Spotify app of your own, made in ten minutes (docs/spotify-app.md), and its client id in
    SPOTIFRIEND_SPOTIFY_CLIENT_ID. A browser opens; agree there.
    """
    import webbrowser

    from spotifriend_dagster.definitions import build_app, build_secrets
    from spotifriend_dagster.sources.spotify.app import SCOPES
    from spotifriend_dagster.sources.spotify.sign_in import can_open_browser, sign_in, through_browser

    app, secrets = build_app(session.settings), build_secrets(session.settings)
    app.known_client_id()
    session.ensure_listener(listener, zone, name)
    has_browser = not no_browser and can_open_browser()
    answer = through_browser(app.redirect_uri, webbrowser.open) if has_browser else _pasted

    def ask(address: str) -> str:
        said = "A browser opens. If it does not, open this" if has_browser else "Open this in a browser, anywhere"
        click.echo(f"{said}, and agree:\n\n{address}\n")
        return answer(address)

    token = sign_in(app, secrets, listener, session.listeners.read(), ask)
    for scope in sorted(SCOPES.keys() - token.scopes):
        session.console.print(f"[yellow]![/] Without {scope}, {SCOPES[scope]}: sign in again to grant it.")
    print_consent(session, [listener])
    session.console.print("Next: `spotifriend run` collects and answers; `spotifriend ui` goes on with it by itself.")


@click.command()
@click.option("--listener", default=DEFAULT_LISTENER, show_default=True, help="Who signs out.")
@pass_session
@speaks_plainly
def logout(session: Session, listener: str) -> None:
    """Forget a listener's sign-in; what was collected stays."""
    from spotifriend_dagster.definitions import build_secrets
    from spotifriend_dagster.sources.spotify.tokens import forget_token

    session.listeners.get(listener)
    forget_token(build_secrets(session.settings), listener)
    session.console.print(
        f"{listener} is signed out here. To take the consent back at Spotify too: spotify.com/account/apps"
    )


def print_consent(session: Session, listeners: Iterable[str]) -> None:
    """Say how it stands with each listener's consent."""
    from datetime import UTC, datetime

    from spotifriend_dagster.definitions import build_secrets
    from spotifriend_dagster.sources.spotify.tokens import consent_sentence

    secrets = build_secrets(session.settings)
    for listener in listeners:
        session.console.print(consent_sentence(secrets, listener, datetime.now(UTC)), markup=False, soft_wrap=True)


def _pasted(_address: str) -> str:
    click.echo("The browser is sent on to a page that it may not find: that is as it should be.")
    redirect: str = click.prompt("Paste that page's address here", prompt_suffix=": ")
    return redirect
