"""What Spotify sends that is never stored: IP addresses, user names, user agents, e-mail addresses.

Fields are told by their names, known or not, so that a field of tomorrow (`client_ip`) is dropped as well.
"""

import re
from functools import lru_cache
from typing import Any

_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_USER_NAME = re.compile(r"user_?name")
_PRIVATE = re.compile(r"user_?(?:name|id|agent)|e_?mail|(?<![a-z])(?:user$|mail|ip(?![a-z])|ip_?addr|ip_?v[46])")


def _words(field: str) -> str:
    return _SEPARATORS.sub("_", _CAMEL_CASE.sub("_", field).lower())


@lru_cache(maxsize=1024)
def is_private(field: str) -> bool:
    """Whether a field of this name is dropped before anything is stored."""
    return _PRIVATE.search(_words(field)) is not None


def is_user_name(field: str) -> bool:
    """Whether a field of this name tells whose account it is. Such a field is private."""
    return _USER_NAME.search(_words(field)) is not None


def without_private(value: Any) -> Any:
    """A copy of a JSON value without its private fields, at any depth.

    Raises:
        RecursionError: it is nested hundreds of levels deep.
    """
    if isinstance(value, dict):
        return {field: without_private(inner) for field, inner in value.items() if not is_private(field)}
    if isinstance(value, list):
        return [without_private(inner) for inner in value]
    return value
