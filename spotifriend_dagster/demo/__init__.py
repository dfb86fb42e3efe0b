"""A simulated Spotify with a known truth: an invented catalogue, a listener with habits, exports and poll answers.

`listener.simulate` makes the truth; `exports.write_export` and `polls.poll_answers` show it as Spotify would, and
`spotify.SimulatedSpotify` serves it. Only the command line and the tests use this room.
"""
