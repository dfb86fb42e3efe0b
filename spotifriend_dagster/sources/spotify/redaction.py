"""What of the Web API's answers is kept of people: nothing but hashes. Everything else stays as received.

A hash is of one listener's data: the same person has another one in another listener's.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from spotifriend_dagster.sources.privacy import is_private

_PEOPLE = ("owner", "added_by", "user")
_HASH_DIGITS = 32
_NAMED = re.compile(r"""(spotify:user:|/v1/users/|open\.spotify\.com/user/)([^:/?#&\s"'<>]+)""")


def person_hash(account_id: str, user_id: str) -> str:
    """How a person is named in a listener's data.

    Args:
        account_id: the listener's own account.
        user_id: the person's user id, or the listener's own account id.
    """
    return sha256(f"{account_id}:{user_id}".encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]


def redacted(value: Any, account_id: str) -> Any:
    """A copy of a body without private fields, and with people as `{"type": "user", "id": <hash>}`, at any depth.

    Where an address or URI names a person (`spotify:user:anna:playlist:…`), their hash stands instead of their name.
    """
    if isinstance(value, dict):
        if value.get("type") == "user" or "display_name" in value:
            return _person(value, account_id)
        return {
            field: _person(inner, account_id) if field in _PEOPLE else redacted(inner, account_id)
            for field, inner in value.items()
            if field in _PEOPLE or not is_private(field)
        }
    if isinstance(value, list):
        return [redacted(inner, account_id) for inner in value]
    if isinstance(value, str) and "user" in value:
        return _NAMED.sub(lambda found: found[1] + person_hash(account_id, unquote(found[2])), value)
    return value


def redacted_profile(body: dict[str, Any], account_id: str) -> dict[str, Any]:
    """What is kept of the listener's own account: `account` and `id` as hashes, and what Spotify says of it where it
    does: country, product, and followers' total.
    """
    kept: dict[str, Any] = {"account": person_hash(account_id, account_id), "id": _hash_of(body.get("id"), account_id)}
    kept |= {field: body[field] for field in ("country", "product") if field in body}
    followers = body.get("followers")
    if isinstance(followers, dict) and "total" in followers:
        kept["followers"] = {"total": followers["total"]}
    return kept


def _person(value: Any, account_id: str) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"type": "user", "id": _hash_of(value.get("id") if isinstance(value, dict) else value, account_id)}


def _hash_of(user_id: Any, account_id: str) -> str | None:
    return person_hash(account_id, user_id) if isinstance(user_id, str) and user_id else None
