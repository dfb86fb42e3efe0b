"""The accounts server's page: what an app asks for, with a button to agree and one to refuse."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from spotifriend_dagster.demo.spotify.accounts import AuthorizationRequest

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Authorize – simulated Spotify</title>
<style>
body {{ background: #121212; color: #fff; font: 16px/1.5 sans-serif; margin: 0; padding: 8vh 1rem }}
main {{ max-width: 26rem; margin: auto }}
button, select {{ font: inherit; border-radius: 2rem; border: 1px solid #888; padding: .6rem 1.4rem; width: 100%; \
margin-top: .8rem; background: none; color: inherit; cursor: pointer }}
option {{ color: #000 }}
button.primary {{ background: #1ed760; border-color: #1ed760; color: #000; font-weight: bold }}
small {{ color: #b3b3b3 }}
</style>
</head>
<body>
<main>
<h1>Simulated Spotify</h1>
<p>An app asks for:</p>
<ul>
{scopes}
</ul>
<form method="post" action="/authorize">
{fields}
<label>Signed in as
<select name="listener">
{listeners}
</select></label>
<button class="primary" data-testid="auth-accept" name="decision" value="allow">Agree</button>
<button data-testid="auth-cancel" name="decision" value="refuse">Cancel</button>
</form>
<p><small>You will be sent to {redirect_uri}</small></p>
</main>
</body>
</html>
"""


def authorize_page(request: AuthorizationRequest, query: Mapping[str, str], listeners: Mapping[str, str]) -> str:
    """The page, in HTML.

    Args:
        request: what is asked.
        query: the parameters of the address, which the form sends again.
        listeners: who may be signed in: display names by listener.
    """
    asked = sorted(request.scopes) or ["what is public"]
    return _PAGE.format(
        scopes="\n".join(f"<li>{escape(scope)}</li>" for scope in asked),
        fields="\n".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in query.items()
        ),
        listeners="\n".join(
            f'<option value="{escape(name)}">{escape(shown)}</option>' for name, shown in listeners.items()
        ),
        redirect_uri=escape(request.redirect_uri),
    )
