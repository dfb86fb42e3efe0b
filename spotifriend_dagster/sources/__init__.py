"""The outside world that listening comes from: what Spotify sends, read and made safe to keep.

An export is read by `exports.py` over `archives.py` (zip, folder, file) and `rows.py` (the rows of one file).
`privacy.py` says what is never kept, `errors.py` what can go wrong. Nothing here knows Dagster or storage.
"""
