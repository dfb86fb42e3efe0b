"""Raw records in, typed frames out: pure pandas, one listener at a time, every rule from docs/metrics.md.

`history.py` and `recent.py` type what was received; `plays.py` unites it, with a module beside it for each rule.
Nothing here knows Dagster or storage.
"""
