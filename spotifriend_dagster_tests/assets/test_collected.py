"""Collecting from a simulated Spotify through the real client, by the real jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spotifriend_dagster.assets.collected import CONSENT_LASTS
from spotifriend_dagster.collecting.pulls import Collector
from spotifriend_dagster.collecting.sources import POLL, Asking, Source
from spotifriend_dagster.demo.listener import Truth
from spotifriend_dagster.demo.objects import Dialect
from spotifriend_dagster.demo.spotify import Fault, SimulatedSpotify
from spotifriend_dagster.sources.spotify.app import SCOPES
from spotifriend_dagster.sources.spotify.client import Answer, SpotifyClient, open_client
from spotifriend_dagster.tables.raw import COLLECTED_TABLES, TOP_TRACKS
from spotifriend_dagster_tests.assets.conftest import MORNING
from spotifriend_dagster_tests.collected_home import CollectedHome, simulated

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLAYS = "/v1/me/player/recently-played"
SNAPSHOTS = {
    *("profile", "playlists", "top_tracks", "top_artists", "followed_artists", "saved_tracks", "playlist_items"),
    *("audio_features", "tracks", "artists", "albums"),
}


def worked(home: CollectedHome, source: str) -> bool:
    """Whether both checks of a raw table passed when they were evaluated last."""
    return all(evaluation.passed for evaluation in home.evaluations(source).values())


def savings(page: Any) -> set[tuple[str, str]]:
    """When a page's songs were saved, and which they are."""
    return {(item["added_at"], item["track"]["uri"]) for item in page["items"]}


def client_of(home: CollectedHome) -> SpotifyClient:
    """A client of Robin's, to look at Spotify beside the collection."""
    return open_client(home.spotify.app, home.spotify.secrets, "robin", budget=99, now=home.server.clock)


def test_an_ordinary_day_takes_at_most_forty_calls(truth: Truth, dialect: Dialect, tmp_path: Path) -> None:
    """Spotify's quota is a few hundred calls a day, and a household shares it."""
    with simulated({"robin": truth}, MORNING, dialect) as server:
        home = CollectedHome(tmp_path, server)
        home.sign_in("robin")
        home.collect("collect")
        server.clock.set(MORNING.replace(hour=0, minute=7) + DAY)
        home.asked()
        for hour in range(24):
            home.collect("poll")
            if hour == 2:
                home.collect("collect")
            server.clock.advance(HOUR)
        asked = home.asked()
    assert Counter(asked)[PLAYS] == 24
    assert len(asked) <= 40
    of_day = [
        record
        for source in (*SNAPSHOTS, "recently_played")
        for record in home.records(source)[-24 if source == "recently_played" else -1 :]
    ]
    assert sum(record["calls"] for record in of_day) == len(asked)
    assert {record["outcome"] for record in of_day} == {"complete"}


def test_everything_is_collected_and_said(home: CollectedHome) -> None:
    """Each source becomes objects of its day, and its asset says what they cost."""
    home.collect("poll")
    outcome = home.collect("collect")
    assert outcome.failed_checks == []
    nothing_played_yet = {"audio_features", "tracks", "artists", "albums"}
    for table in COLLECTED_TABLES:
        name = table.name.removeprefix("raw_")
        assert bool(home.objects(name)) == (name not in nothing_played_yet), name
        assert all(f"/dt={home.today}/" in key for key in home.objects(name))
    assert len(home.answers("top_tracks")) == len(home.answers("top_artists")) == 3
    said = outcome.metadata["raw/top_tracks"]
    assert (said["calls"], said["retries"], said["rows"]) == (3, 0, 150)
    assert said["listeners"]["robin"]["budget_left"] > 200
    latest = home.instance.get_latest_materialization_event(dg.AssetKey(["raw", "playlist_items"]))
    assert latest is not None and latest.dagster_event is not None and latest.dagster_event.partition == home.today


def test_a_past_day_is_not_asked_for(home: CollectedHome) -> None:
    """Today's answer must never be written into yesterday: what was kept stays, and is observed."""
    assert home.run("poll", ["2025-03-18"]).success
    assert home.run("collect", ["2025-03-18"]).success
    assert home.asked() == []
    assert home.lake.storage.list("raw") == []
    for source in ("recently_played", *SNAPSHOTS):
        key = dg.AssetKey(["raw", source])
        assert home.instance.get_latest_materialization_event(key) is None
        assert [record.partition_key for record in home.instance.fetch_observations(key, limit=5).records] == [
            "2025-03-18"
        ]


def test_a_range_that_ends_today_collects_today_alone(home: CollectedHome) -> None:
    """Somebody marks a week in the UI: six days are observed, and one is collected."""
    assert home.run("poll", ["2025-03-17", home.today]).success
    key = dg.AssetKey(["raw", "recently_played"])
    observed = home.instance.fetch_observations(key, limit=9).records
    assert sorted(record.partition_key or "" for record in observed) == ["2025-03-17", "2025-03-18", "2025-03-19"]
    assert home.instance.get_materialized_partitions(key) == {home.today}
    assert len(home.objects("recently_played")) == 1


def test_polls_at_once_do_each_other_no_harm(home: CollectedHome, server: SimulatedSpotify) -> None:
    """A person polls while the schedule does, with a token that both have to renew: each keeps its page."""
    server.clock.advance(2 * HOUR)
    homes = [CollectedHome(home.path, server) for _ in range(4)]
    with ThreadPoolExecutor(len(homes)) as pool:
        outcomes = list(pool.map(lambda one: one.collect("poll"), homes))
    assert [outcome.failed_checks for outcome in outcomes] == [[]] * 4
    assert len(home.objects("recently_played")) == 4
    assert len({answer.payload for answer in home.answers("recently_played")}) == 1
    assert [record["outcome"] for record in home.records("recently_played")] == ["complete"] * 4


def test_a_week_without_running_is_caught_up_by_one_run(home: CollectedHome, server: SimulatedSpotify) -> None:
    """All that Spotify still has comes; where plays may be missing is said."""
    home.collect("poll")
    home.collect("collect")
    server.clock.advance(7 * DAY)
    said = home.collect("poll").metadata["raw/recently_played"]["listeners"]["robin"]
    assert said["new_plays"] == 50
    before, after = said["gap"]
    assert "2025-03-19" <= before < after <= "2025-03-28"
    assert home.collect("collect").failed_checks == []
    known = {saved for answer in home.answers("saved_tracks") for saved in savings(answer.body())}
    there = {saved for answer in client_of(home).saved_tracks() for saved in savings(answer.body)}
    assert there and there <= known


def test_playlists_are_pulled_again_only_when_they_change(home: CollectedHome, server: SimulatedSpotify) -> None:
    """The content of all playlists is a call or more each: only what changed is worth it."""
    home.collect("collect")
    first = {answer.endpoint.split("?")[0] for answer in home.answers("playlist_items")}
    assert len(first) > 3
    home.collect("collect")
    assert len(home.objects("playlist_items")) == 1
    snapshots = {item["id"]: item["snapshot_id"] for item in home.answers("playlists")[-1].body()["items"]}
    home.asked()
    server.clock.advance(14 * DAY)
    home.collect("collect")
    later = {item["id"]: item["snapshot_id"] for item in home.answers("playlists")[-1].body()["items"]}
    changed = {id_ for id_ in later if later[id_] != snapshots.get(id_)}
    asked = {path.split("/")[3] for path in home.asked() if path.startswith("/v1/playlists/")}
    assert asked and asked == {id_ for id_ in changed if f"/v1/playlists/{id_}/items" in first or id_ not in snapshots}


def test_a_short_wait_is_waited(home: CollectedHome, server: SimulatedSpotify) -> None:
    """A rate limit of seconds and a server that stumbles once cost a call more, and nothing else."""
    server.faults.add("recently-played", Fault.rate_limited(2))
    server.faults.add("recently-played", Fault.server_error(502))
    assert home.collect("poll").failed_checks == []
    assert home.records("recently_played")[-1] | {"calls": 3, "retries": 2} == home.records("recently_played")[-1]


def test_what_came_before_an_error_is_kept(home: CollectedHome, server: SimulatedSpotify) -> None:
    """The first pages of a library are as good without the last ones; the next run pulls it whole."""
    server.faults.add(r"/me/tracks.*offset=50", Fault.broken_json(), times=None)
    outcome = home.collect("collect")
    assert outcome.failed_checks == [("raw/saved_tracks", "every_listener", "ERROR")]
    assert len(home.answers("saved_tracks")) == 1
    server.faults.clear()
    assert home.collect("collect").failed_checks == []
    assert len(home.answers("saved_tracks")) > 2


@pytest.mark.parametrize(
    "fault", [Fault.server_error(500), Fault.server_error(503), Fault.dropped(), Fault.broken_json()]
)
def test_an_outage_of_one_endpoint_leaves_the_others(
    home: CollectedHome, server: SimulatedSpotify, fault: Fault
) -> None:
    """Top tracks can wait until tomorrow; the run goes on, and the check says what failed."""
    server.faults.add("/me/top/tracks", fault, times=None)
    outcome = home.collect("collect")
    assert outcome.failed_checks == [("raw/top_tracks", "every_listener", "ERROR")]
    assert home.objects("top_tracks") == []
    assert home.objects("top_artists") and home.objects("playlist_items")


def test_a_quota_stop_is_remembered_until_it_ends(home: CollectedHome, server: SimulatedSpotify) -> None:
    """Asking on while the quota is used up is of no use; the sources that follow are not even tried."""
    server.faults.add("/me/playlists", Fault.quota_exceeded(14), times=1)
    outcome = home.collect("collect")
    assert {severity for _, _, severity in outcome.failed_checks} == {"WARN"}
    assert home.asked() == ["/v1/me/", "/v1/me/playlists"]
    server.clock.advance(HOUR)
    home.collect("collect")
    assert home.asked() == []
    home.collect("poll")
    assert home.asked() == [PLAYS]  # another bucket, and what is not polled is lost
    server.clock.advance(14 * HOUR)
    assert home.collect("collect").failed_checks == []
    assert len(home.asked()) > 10


def test_a_poll_that_is_stopped_is_an_error(home: CollectedHome, server: SimulatedSpotify) -> None:
    """Plays are lost while it lasts, so it must be seen; and no call is made before it ends."""
    server.faults.add("recently-played", Fault.quota_exceeded(3), times=1)
    for _ in range(3):
        assert home.collect("poll").failed_checks == [("raw/recently_played", "every_listener", "ERROR")]
        server.clock.advance(HOUR)
    assert home.asked() == [PLAYS]
    assert home.collect("poll").failed_checks == []


def test_the_stop_of_one_listener_is_heeded_for_the_other(home: CollectedHome, server: SimulatedSpotify) -> None:
    """The quota is of the app, and so of the household."""
    home.sign_in("kim")
    server.faults.add("recently-played", Fault.quota_exceeded(3), times=1, listener="robin")
    home.collect("poll")
    assert home.asked() == [PLAYS]
    assert home.records("recently_played", "kim")[-1]["outcome"] == "stopped"


def test_a_missing_scope_degrades_one_asset(home: CollectedHome) -> None:
    """Who did not agree to everything gets everything else, and the cure."""
    home.sign_in("robin", [scope for scope in SCOPES if scope != "user-top-read"])
    outcome = home.collect("collect")
    assert sorted(outcome.failed_checks) == [
        ("raw/top_artists", "nothing_withheld", "WARN"),
        ("raw/top_tracks", "nothing_withheld", "WARN"),
    ]
    told = home.evaluations("top_tracks")["nothing_withheld"].metadata["robin"].value
    assert "user-top-read" in str(told) and "spotifriend login --listener robin" in str(told)
    assert not any("/me/top" in path for path in home.asked())
    assert home.objects("playlists")


def test_without_premium_nothing_is_asked_twice(home: CollectedHome, server: SimulatedSpotify) -> None:
    """The owner's subscription ended: one call finds out, each asset says so, and the run is a good one."""
    server.web_api.owner_has_premium = False
    outcome = home.collect("collect")
    assert set(outcome.failed_checks) == {(f"raw/{source}", "nothing_withheld", "WARN") for source in SNAPSHOTS}
    assert len(home.asked()) == 1
    assert "Premium" in home.records("playlists")[-1]["message"]
    server.web_api.owner_has_premium = True
    assert home.collect("collect").failed_checks == []


def not_allow_listed(home: CollectedHome, server: SimulatedSpotify) -> None:
    server.listeners["kim"].is_allow_listed = False


def revoked(home: CollectedHome, server: SimulatedSpotify) -> None:
    server.revoke("kim")
    server.clock.advance(2 * HOUR)


def token_damaged(home: CollectedHome, server: SimulatedSpotify) -> None:
    (home.settings.secrets / "spotify" / "kim").write_text("{}")


def token_unreadable(home: CollectedHome, server: SimulatedSpotify) -> None:
    path = home.settings.secrets / "spotify" / "kim"
    path.unlink()
    path.mkdir()


def other_app(home: CollectedHome, server: SimulatedSpotify) -> None:
    path = home.settings.secrets / "spotify" / "kim"
    path.write_text(path.read_text().replace(server.client_id, "f" * 32))


def consent_ended(home: CollectedHome, server: SimulatedSpotify) -> None:
    server.clock.advance(190 * DAY)
    home.sign_in("robin")


def every_call_fails(home: CollectedHome, server: SimulatedSpotify) -> None:
    server.faults.add("recently-played", Fault.dropped(), times=None, listener="kim")


@pytest.mark.parametrize(
    ("befall", "cure"),
    [
        (not_allow_listed, "User Management"),
        (revoked, "spotifriend login --listener kim"),
        (token_damaged, "spotifriend login --listener kim"),
        (token_unreadable, "spotifriend login --listener kim"),
        (other_app, "spotifriend login --listener kim"),
        (consent_ended, "spotifriend login --listener kim"),
        (every_call_fails, "the next run asks again"),
    ],
)
def test_one_listeners_trouble_never_stops_another(
    home: CollectedHome,
    server: SimulatedSpotify,
    befall: Callable[[CollectedHome, SimulatedSpotify], None],
    cure: str,
) -> None:
    """A sentence with the cure for the one, plays for the other."""
    home.sign_in("kim")
    befall(home, server)
    outcome = home.collect("poll")
    assert len(outcome.failed_checks) == 1
    name = outcome.failed_checks[0][1]
    assert cure in str(home.evaluations("recently_played")[name].metadata["kim"].value)
    assert "robin" not in home.evaluations("recently_played")[name].metadata
    assert home.objects("recently_played", "robin") and not home.objects("recently_played", "kim")


def test_who_never_signed_in_is_no_failure(home: CollectedHome) -> None:
    """A household's member with an export alone is as they want to be; who signed out is told for a while."""
    home.add("kim")
    outcome = home.collect("poll")
    assert outcome.failed_checks == []
    assert outcome.metadata["raw/recently_played"]["not_signed_in"] == ["kim"]
    home.spotify.secrets.delete("spotify/robin")
    assert home.collect("poll").failed_checks == [("raw/recently_played", "every_listener", "ERROR")]


def test_nobody_signed_in_asks_nothing(home: CollectedHome) -> None:
    """The home of somebody with an export alone: no call, no error, no materialization, and how to begin."""
    home.spotify.secrets.delete("spotify/robin")
    for job in ("poll", "collect"):
        assert home.collect(job).failed_checks == []
    assert home.asked() == []
    key = dg.AssetKey(["raw", "recently_played"])
    observed = home.instance.fetch_observations(key, limit=1).records[0].asset_observation
    assert observed is not None and "spotifriend login" in (observed.description or "")
    assert home.instance.get_latest_materialization_event(key) is None


def test_polls_come_before_everything_else(truth: Truth, server: SimulatedSpotify, tmp_path: Path) -> None:
    """A small budget is for plays: the day's collection takes only what no poll will need."""
    home = CollectedHome(tmp_path / "small", server, budget=30)
    home.sign_in("robin")
    outcome = home.collect("collect")
    assert len(home.asked()) == 30 - 22
    assert {(check, severity) for _, check, severity in outcome.failed_checks} == {("nothing_withheld", "WARN")}
    for _ in range(21):
        server.clock.advance(HOUR)
        assert home.collect("poll").failed_checks == []


def test_an_interrupt_leaves_what_came(home: CollectedHome) -> None:
    """Ctrl-C in the middle of a pull: the pages before it are in the lake."""

    def interrupted(asking: Asking) -> Iterator[Answer]:
        yield next(asking.open_client().top_tracks())
        raise KeyboardInterrupt

    lake = home.lake
    collector = Collector(home.spotify, lake.storage, ["robin"])
    with pytest.raises(KeyboardInterrupt):
        list(collector.pull("robin", [Source(TOP_TRACKS, interrupted)]))
    assert len(home.answers("top_tracks")) == 1


def test_nobodys_identity_reaches_the_lake(home: CollectedHome) -> None:
    """Neither names, addresses and ids of people nor tokens: raw is for everybody whom one lets query it."""
    home.collect("poll")
    home.collect("collect")
    listener = home.server.listeners["robin"]
    secrets = [listener.user_id, listener.account_id, listener.display_name, listener.email, "access_token"]
    for table in COLLECTED_TABLES:
        for answer in home.answers(table.name.removeprefix("raw_")):
            assert not [secret for secret in secrets if secret in answer.payload + answer.endpoint], answer.endpoint


def test_an_ending_consent_is_told_a_month_and_a_week_ahead(home: CollectedHome, server: SimulatedSpotify) -> None:
    """Every six months a person has to sign in again: nobody is to find out by the plays that are missing."""
    signed_in = server.clock()
    ends = datetime(signed_in.year, signed_in.month + 6, signed_in.day, tzinfo=UTC)
    said = []
    for days_before in (40, 20, 5):
        server.clock.set(ends - timedelta(days=days_before))
        said += [check for check in home.collect("poll").failed_checks if check[1] == CONSENT_LASTS]
    assert said == [("raw/recently_played", CONSENT_LASTS, severity) for severity in ("WARN", "ERROR")]
    home.sign_in("robin")
    assert home.collect("poll").failed_checks == []


@pytest.mark.parametrize(
    ("wrong_by", "filed_at"),
    [(timedelta(), 0), (timedelta(minutes=-4), -4), (timedelta(minutes=6), 0), (timedelta(hours=-5), 0)],
    ids=["right", "a_little_behind", "ahead", "far_behind"],
)
def test_a_poll_is_filed_by_spotifys_clock_where_this_machines_is_wrong(
    home: CollectedHome, server: SimulatedSpotify, wrong_by: timedelta, filed_at: int
) -> None:
    """By a wrong one, pages lose their order, and what lies between them; the record says how wrong it was."""
    home.sign_in("robin")
    object.__setattr__(home.spotify, "now", lambda: server.clock() + wrong_by)
    list(Collector(home.spotify, home.lake.storage, ["robin"]).pull("robin", [POLL]))
    (answer,) = home.answers("recently_played")
    assert answer.pulled_at == server.clock() + timedelta(minutes=filed_at)
    (record,) = home.records("recently_played")
    assert record["clock_off"] == wrong_by.total_seconds()
