"""Collecting: what to ask of the Web API now, asking it for one listener after another, and remembering what came.

How a call is made is `sources/spotify/`; what the answers mean is `cleaning/`; Dagster's side is `assets/collected.py`.
All that is remembered is in the lake: nothing here knows Dagster.
"""
