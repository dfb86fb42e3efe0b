"""The simulated Web API: who may ask what in which dialect, pages and cursors, and answers that follow the truth."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from spotifriend_dagster.demo.library import kept
from spotifriend_dagster.demo.listener import Truth, simulate
from spotifriend_dagster.demo.objects import Dialect, Objects
from spotifriend_dagster.demo.polls import answers_at, polled_plays
from spotifriend_dagster.demo.spotify import Clock, SimulatedSpotify
from spotifriend_dagster_tests.demo.apps import SCOPES, App

RECENTLY = "me/player/recently-played"
REMOVED = ("artists?ids={artist}", "albums?ids={album}", "tracks?ids={track}", "audio-features?ids={track}")
FORBIDDEN = {"error": {"status": 403, "message": "Forbidden"}}


def epoch_ms(played_at: str) -> int:
    return pd.Timestamp(played_at).value // 1_000_000


def test_recently_played_is_what_a_poll_at_that_instant_would_see(app: App, spotify: SimulatedSpotify, season: Truth):
    """The bodies that other tests store without a server are those that a server sends."""
    for days in (0, 3, 20, 60):
        instant = season.end - pd.Timedelta(days=days)
        spotify.clock.set(instant.to_pydatetime())
        app.token = spotify.consent("robin", SCOPES)
        ((_, expected),) = answers_at(season, [instant])
        body = app.get(f"{RECENTLY}?limit=50")
        played = [(item["played_at"], item["track"]["uri"]) for item in body["items"]]
        assert played == [(item["played_at"], item["track"]["uri"]) for item in expected["items"]]
        assert body["cursors"] == expected["cursors"]


def test_nothing_is_to_be_had_beyond_the_last_fifty_plays(reading: App):
    """Whatever the cursors: a client that follows `next` for the past gets an empty page without cursors."""
    newest = reading.get(f"{RECENTLY}?limit=50")
    beyond = reading.get(newest["next"])
    assert (beyond["items"], beyond["next"], beyond["cursors"]) == ([], None, None)
    assert reading.items(f"{RECENTLY}?limit=20") == newest["items"]
    assert [len(page["items"]) for page in reading.pages(f"{RECENTLY}?limit=20")] == [20, 20, 10, 0]
    assert len(reading.get(RECENTLY)["items"]) == 20


def test_cursors_are_exclusive_in_milliseconds_and_not_given_together(reading: App):
    """A play asked for by its own instant is not sent again."""
    newest = reading.get(f"{RECENTLY}?limit=50")["items"]
    tenth = epoch_ms(newest[9]["played_at"])
    assert reading.get(f"{RECENTLY}?after={tenth}&limit=50")["items"] == newest[:9]
    assert reading.get(f"{RECENTLY}?before={tenth}&limit=50")["items"] == newest[10:]
    assert reading.get(f"{RECENTLY}?after={tenth - 1}&limit=50")["items"] == newest[:10]
    assert reading.get(f"{RECENTLY}?after={tenth}&limit=4")["items"] == newest[:4]
    assert reading.items(f"{RECENTLY}?after={tenth}&limit=50") == newest[:9]
    for query in (f"before={tenth}&after={tenth}", "limit=0", "limit=51", "after=yesterday"):
        assert reading.ask(f"{RECENTLY}?{query}").status_code == 400


@pytest.mark.parametrize(
    ("path", "limit"),
    [("me/tracks?", 7), ("me/playlists?", 4), ("me/top/tracks?", 50), ("me/top/artists?time_range=long_term&", 50)],
)
def test_pages_by_offset_are_absolute_and_bring_everything_once(reading: App, path: str, limit: int):
    """`next` names the server's own host, for clients that follow it as it is."""
    pages = list(reading.pages(f"{path}limit={limit}"))
    items = [item for page in pages for item in page["items"]]
    assert len(items) == pages[0]["total"] > 2 * limit
    assert len({str(item) for item in items}) == len(items)
    assert all(page["next"].startswith(reading.spotify.api_url) for page in pages[:-1])
    assert pages[0]["previous"] is None
    assert reading.get(pages[2]["previous"])["items"] == pages[1]["items"] == items[limit : 2 * limit]
    assert reading.ask(f"{path}limit=51").status_code == 400


def test_followed_artists_come_by_cursor(reading: App, season: Truth):
    """`after` is the last artist's id; at the end it is null."""
    pages = list(reading.pages("me/following?type=artist&limit=9", within="artists"))
    uris = [artist["uri"] for page in pages for artist in page["items"]]
    followed = kept(reading.spotify.listeners["robin"].library.followed, season.end)["artist"]
    assert uris == season.catalogue.artists["uri"].take(followed.to_numpy()).tolist()
    assert [page["cursors"]["after"] for page in pages] == [*(page["items"][-1]["id"] for page in pages[:-1]), None]
    assert {page["total"] for page in pages} == {len(uris)}
    assert reading.ask("me/following").status_code == 400


def test_what_development_mode_removed_is_forbidden_there_alone(reading: App, dialect: Dialect):
    """403, not 404: a client must not take it for an id that is gone."""
    track = reading.get("me/tracks")["items"][0]["track"]
    playlist = reading.get("me/playlists")["items"][0]
    ids = {"track": track["id"], "album": track["album"]["id"], "artist": track["artists"][0]["id"]}
    asked = [path.format(**ids) for path in REMOVED]
    asked += [f"audio-features/{track['id']}", f"playlists/{playlist['id']}/tracks"]
    for path in asked:
        answer = reading.ask(path)
        if dialect == "development":
            assert (answer.status_code, answer.json()) == (403, FORBIDDEN), path
        else:
            assert answer.status_code == 200, path
    most = 10 if dialect == "development" else 50
    assert reading.ask(f"search?q=the&type=track&limit={most}").status_code == 200
    assert reading.ask(f"search?q=the&type=track&limit={most + 1}").status_code == 400


def test_several_ids_at_once_are_answered_in_order_with_null_for_strangers(season: Truth):
    """As batch look-ups are with extended quota."""
    uris = season.catalogue.artists["uri"].head(3).tolist()
    ids = [uri.rpartition(":")[2] for uri in uris]
    with SimulatedSpotify({"robin": season}, "extended") as serving:
        app = App(serving)
        found = app.get(f"artists?ids={ids[2]},{'x' * 22},{ids[0]}")["artists"]
        assert [artist and artist["uri"] for artist in found] == [uris[2], None, uris[0]]
        assert app.ask(f"artists?ids={','.join(ids * 17)}").status_code == 400
        app.close()


def test_other_peoples_playlists_have_no_items_in_development_mode(reading: App, dialect: Dialect):
    """Only what the listener owns or contributes to can be read."""
    mine = reading.get("me")["id"]
    name = "items" if dialect == "development" else "tracks"
    seen = set()
    for playlist in reading.items("me/playlists"):
        is_others = playlist["owner"]["id"] != mine and not playlist["collaborative"]
        is_closed = is_others and dialect == "development"
        assert (name not in playlist) == (name not in reading.get(f"playlists/{playlist['id']}")) == is_closed
        assert reading.ask(f"playlists/{playlist['id']}/items").status_code == (403 if is_closed else 200)
        seen.add((is_others, playlist["collaborative"]))
    assert seen == {(False, False), (True, False), (False, True)}


def test_playlists_hold_what_the_library_says_odd_entries_included(reading: App, season: Truth):
    """Undated entries, a local file, something that is gone, an episode: each was met in the wild."""
    library = reading.spotify.listeners["robin"].library
    uris = season.catalogue.releases["uri"]
    odd: Counter[str] = Counter()
    for playlist in reading.items("me/playlists"):
        if reading.ask(f"playlists/{playlist['id']}/items").status_code == 403:
            continue
        expected = library.entries(playlist["uri"], season.end)
        entries = reading.items(f"playlists/{playlist['id']}/items?limit=50")
        for entry, (_, said) in zip(entries, expected.iterrows(), strict=True):
            assert (entry["added_at"] is None) == (entry["added_by"] is None) == (not said["is_dated"])
            odd[said["kind"]] += 1
            match said["kind"]:
                case "track":
                    assert entry["item"]["uri"] == uris[said["release"]]
                case "gone":
                    assert entry["item"] is None
                case "local":
                    assert (entry["is_local"], entry["item"]["id"]) == (True, None)
                    assert entry["item"]["uri"].startswith("spotify:local:")
                case "episode":
                    assert entry["item"]["type"] == "episode"
            odd["undated"] += entry["added_at"] is None
    assert odd.keys() == {"track", "gone", "local", "episode", "undated"}
    assert odd["track"] > 100


def test_a_snapshot_is_named_anew_when_and_only_when_the_content_changes(app: App, spotify: SimulatedSpotify):
    """What is pulled again is decided by it."""
    before: dict[str, tuple[str, Any]] = {}
    changes = stays = 0
    for days in range(50, -1, -2):
        spotify.clock.set((spotify.listeners["robin"].truth.end - pd.Timedelta(days=days)).to_pydatetime())
        app.token = spotify.consent("robin", SCOPES)
        for playlist in app.items("me/playlists"):
            library = spotify.listeners["robin"].library
            content = library.entries(playlist["uri"], spotify.clock()).index.tolist()
            snapshot, held = before.get(playlist["id"], (playlist["snapshot_id"], content))
            assert (snapshot == playlist["snapshot_id"]) == (held == content)
            changes += held != content
            stays += held == content
            before[playlist["id"]] = playlist["snapshot_id"], content
    assert changes > 20
    assert stays > 20


def test_saved_tracks_are_newest_first_and_grow_and_lose_some(app: App, spotify: SimulatedSpotify, season: Truth):
    """What was unsaved is gone without a word."""
    saved = spotify.listeners["robin"].library.saved
    assert saved["removed_at"].notna().any()
    found = []
    for days in (60, 0):
        now = season.end - pd.Timedelta(days=days)
        spotify.clock.set(now.to_pydatetime())
        app.token = spotify.consent("robin", SCOPES)
        rows = app.items("me/tracks?limit=50")
        instants = [row["added_at"] for row in rows]
        assert instants == sorted(instants, reverse=True)
        expected = kept(saved, now)["release"].iloc[::-1]
        assert [row["track"]["uri"] for row in rows] == season.catalogue.releases["uri"].loc[expected].tolist()
        found.append({row["track"]["uri"] for row in rows})
    assert found[1] - found[0]
    assert found[0] - found[1]


def test_tops_are_what_was_played_most_in_the_time_before_now(reading: App, season: Truth):
    """Counted again by hand from the truth."""
    plays = polled_plays(season)
    plays = plays[plays["played_at"] > season.end - pd.Timedelta(weeks=4)]
    counts = Counter(season.catalogue.artists["uri"].take(season.events["artist"].loc[plays["event"]]))
    tops = reading.get("me/top/artists?time_range=short_term&limit=50")
    assert [counts[artist["uri"]] for artist in tops["items"]] == sorted(counts.values(), reverse=True)[:50]
    recordings = Counter(season.events["recording"].loc[plays["event"]])
    recording_of = dict(zip(season.catalogue.releases["uri"], season.catalogue.releases["recording"], strict=True))
    tracks = reading.get("me/top/tracks?time_range=short_term&limit=50")
    top = [recording_of[track["uri"]] for track in tracks["items"]]
    assert [recordings[recording] for recording in top] == sorted(recordings.values(), reverse=True)[:50]
    assert len(set(top)) == 50
    assert reading.get("me/top/tracks?limit=50")["items"] != tracks["items"]
    assert reading.ask("me/top/tracks?time_range=forever").status_code == 400


def test_every_scope_is_asked_for(spotify: SimulatedSpotify):
    """An app gets what was consented to and not a thing more."""
    needed = {
        RECENTLY: "user-read-recently-played",
        "me/top/tracks": "user-top-read",
        "me/top/artists": "user-top-read",
        "me/playlists": "playlist-read-private",
        "me/tracks": "user-library-read",
        "me/following?type=artist": "user-follow-read",
    }
    apps = {scope: App(spotify, scopes=[scope]) for scope in set(needed.values())}
    for path, scope in needed.items():
        for granted, app in apps.items():
            answer = app.ask(path)
            assert answer.status_code == (200 if granted == scope else 403)
            if granted != scope:
                assert answer.json()["error"]["message"] == "Insufficient client scope"
    listed = apps["playlist-read-private"].items("me/playlists")
    assert not any(playlist["collaborative"] for playlist in listed)
    assert apps["user-top-read"].get("me").keys().isdisjoint({"email", "country", "product"})
    for app in apps.values():
        app.close()


def test_a_development_app_serves_those_on_its_list_while_its_owner_pays(season: Truth, dialect: Dialect):
    """Both refusals are plain text, which broke clients that read JSON. Extended quota knows neither."""
    with SimulatedSpotify({"robin": season, "ben": season}, dialect) as serving:
        robin, ben = App(serving), App(serving, "ben")
        is_refused = dialect == "development"
        serving.listeners["ben"].is_allow_listed = False
        assert robin.ask("me").status_code == 200
        stranger = ben.ask("me")
        serving.web_api.owner_has_premium = False
        unpaid = robin.ask("me")
        for answer, text in ((stranger, "the user may not be registered"), (unpaid, "Active premium subscription")):
            assert answer.status_code == (403 if is_refused else 200)
            assert (text in answer.text) == is_refused
            assert answer.headers["Content-Type"].startswith("text/plain" if is_refused else "application/json")
        robin.close()
        ben.close()


def test_look_ups_find_what_any_listener_has_heard(season: Truth):
    """Ids are Spotify's, not a listener's; what is no id at all is told from what is unknown."""
    other = simulate(22, start=season.events["started_at"].min().date(), years=0.05)
    with SimulatedSpotify({"robin": season, "ben": other}) as serving:
        app = App(serving)
        uri = other.catalogue.releases["uri"].iloc[0]
        assert app.get(f"tracks/{uri.rpartition(':')[2]}")["uri"] == uri
        assert app.ask(f"tracks/{'x' * 22}").status_code == 404
        assert app.ask("tracks/x").status_code == 400
        app.close()


def test_genres_are_those_of_the_catalogue_or_none(season: Truth):
    """For most artists none, in development mode for nearly all."""
    shares = []
    for dialect in ("development", "extended"):
        objects = Objects(season.catalogue, dialect)
        said = [objects.artist(row)["genres"] for row in range(len(season.catalogue.artists))]
        known = [list(genres) for genres in season.catalogue.artists["genres"]]
        assert all(genres in ([], truth) for genres, truth in zip(said, known, strict=True))
        shares.append(sum(map(bool, said)) / len(said))
    assert 0.05 < shares[0] < 0.2
    assert 0.35 < shares[1] < 0.6


def test_a_recording_sounds_the_same_on_all_its_releases(season: Truth):
    """And two genres do not sound alike."""
    objects = Objects(season.catalogue, "extended")
    releases = season.catalogue.releases
    again = releases[releases["recording"].duplicated()].index[0]
    first = int(releases["recording"].iloc[again])
    named = {"id", "uri", "track_href", "analysis_url", "duration_ms"}
    features = [objects.audio_features(row) for row in (first, int(again))]
    assert {k: v for k, v in features[0].items() if k not in named} == {
        k: v for k, v in features[1].items() if k not in named
    }
    genre = season.catalogue.artists["genre"].take(season.catalogue.recordings["artist"]).to_numpy()
    energy = pd.Series([objects.audio_features(row)["energy"] for row in range(400)]).groupby(genre[:400])
    assert energy.std().mean() < 0.12 < energy.mean().std()


def test_the_clock_runs_unless_it_is_to_stand_still(season: Truth):
    """And takes no instant without its zone, which would be read as another one elsewhere."""
    standing = Clock(season.end.to_pydatetime(), pace=0)
    assert standing() == standing() == season.end
    standing.advance(timedelta(hours=2))
    assert standing() == season.end + timedelta(hours=2)
    running = Clock(season.end.to_pydatetime(), pace=10_000)
    assert running() < running() < season.end + timedelta(days=1)
    with pytest.raises(ValueError, match="needs its zone"):
        standing.set(season.end.to_pydatetime().replace(tzinfo=None))


def test_requests_are_remembered_with_whose_they_were(spotify: SimulatedSpotify, app: App):
    """Budgets of calls are measured by it."""
    app.get(f"{RECENTLY}?limit=50")
    app.ask("artists/nobody")
    asked = [(call.method, call.path, dict(call.query), call.status, call.listener) for call in spotify.requests]
    assert asked == [
        ("GET", f"/v1/{RECENTLY}", {"limit": "50"}, 200, "robin"),
        ("GET", "/v1/artists/nobody", {}, 400, "robin"),
    ]
    assert {call.at for call in spotify.requests} == {spotify.clock()}
