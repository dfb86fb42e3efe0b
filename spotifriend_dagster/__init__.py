"""SpotiFriend: a listener's Spotify history, kept for good and answered by tables.

The floor plan stands in README.md. This room holds no code of its own.
"""
