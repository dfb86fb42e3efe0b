"""The outside world that listening comes from: what Spotify sends, read and made safe to keep.

An export is read by `exports.py` over `archives.py` (zip, folder, file), `rows.py` (the rows of one file) and
`encoding.py` (the file as it is stored). `privacy.py` says what is never kept, `errors.py` what can go wrong. Nothing
here knows Dagster or storage.
"""
