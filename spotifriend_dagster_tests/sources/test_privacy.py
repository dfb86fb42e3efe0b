import pytest

from spotifriend_dagster.sources.privacy import is_private, without_private

PRIVATE_FIELDS = [
    *("ip_addr", "ip_addr_decrypted", "IP_ADDR", "ipAddress", "IPAddress", "ip", "client_ip", "clientIp", "ipv4"),
    *("username", "user_name", "userName", "USERNAME", "User Name", "canonical_username", "user", "user_id", "userId"),
    *("user_agent", "user_agent_decrypted", "userAgent", "useragent"),
    *("email", "e_mail", "e-mail", "emailAddress", "user_email", "mail_address"),
]
KEPT_FIELDS = [
    *("ts", "platform", "ms_played", "conn_country", "master_metadata_track_name", "spotify_track_uri"),
    *("master_metadata_album_artist_name", "master_metadata_album_album_name", "episode_name", "episode_show_name"),
    *("spotify_episode_uri", "audiobook_title", "audiobook_uri", "audiobook_chapter_uri", "audiobook_chapter_title"),
    *("reason_start", "reason_end", "shuffle", "skipped", "offline", "offline_timestamp", "incognito_mode"),
    *("endTime", "artistName", "trackName", "msPlayed", "podcastName", "episodeName"),
    *("skip", "description", "tip", "user_rating", "user_initiated", "zip_code"),
]


@pytest.mark.parametrize("field", PRIVATE_FIELDS)
def test_fields_that_tell_who_and_where_are_private_whatever_their_spelling(field: str) -> None:
    """A field of tomorrow must not carry to the disk what today's are dropped for."""
    assert is_private(field)


@pytest.mark.parametrize("field", KEPT_FIELDS)
def test_fields_that_only_look_alike_are_kept(field: str) -> None:
    """`skipped` and `description` hold the letters of `ip`; dropping them would lose listening."""
    assert not is_private(field)


def test_private_fields_are_dropped_at_any_depth() -> None:
    """A field that moves into an object, or into a list of objects, is no less private."""
    row = {"ts": 1, "device": {"name": "x", "ip_addr": "y"}, "peers": [{"userName": "z", "kept": [1, {"ip": 2}]}]}
    assert without_private(row) == {"ts": 1, "device": {"name": "x"}, "peers": [{"kept": [1, {}]}]}
