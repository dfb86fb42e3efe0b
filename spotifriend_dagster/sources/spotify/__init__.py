"""Spotify itself: signing a listener in, and asking the Web API in a listener's name.

`app.py` says which app asks, `sign_in.py` gets a listener's consent, `tokens.py` keeps it, `client.py` asks. Nothing
here knows Dagster or storage; what the answers mean belongs to `cleaning/`.
"""
