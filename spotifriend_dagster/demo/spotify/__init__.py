"""A simulated Spotify: an accounts server and a Web API over HTTP on this machine, with a clock that can be moved.

What it serves is made in the rest of `demo`: `polls.py`, `library.py`, `objects.py`. Start with `SimulatedSpotify`.
"""

from spotifriend_dagster.demo.spotify.clock import Clock
from spotifriend_dagster.demo.spotify.faults import Fault
from spotifriend_dagster.demo.spotify.server import SimulatedSpotify

__all__ = ["Clock", "Fault", "SimulatedSpotify"]
