"""What music is played from, what of a playlist is ever heard, and how playlists change."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise

import pytest

from spotifriend_dagster.tables.snapshots import PLAYLIST_TRACKS, PLAYLISTS
from spotifriend_dagster_tests.insights.made_history import made_history
from spotifriend_dagster_tests.insights.made_plays import frame_of, play, plays_frame
from spotifriend_dagster_tests.insights.made_snapshots import playlist_tracks_frame, playlists_frame
from spotifriend_dagster_tests.insights.plain_rows import assert_rows, music_of, rows_of, share

ABOUT = {"listener": "anna", "year": 2024}


def kind_of(context: str) -> str:
    """The kind of a context, by its URI."""
    if ":playlist:" in context:
        return "playlist"
    if ":collection" in context:
        return "collection"
    kind = context.split(":")[1]
    return kind if kind in ("album", "artist") else "other"


def items(day, playlist, uris):
    """Rows of `playlist_tracks`."""
    return [
        {
            **ABOUT,
            "collected_on": day,
            "pulled_at": day,
            "playlist_id": playlist,
            "position": position,
            "media": "track",
            "item_uri": uri,
        }
        for position, uri in enumerate(uris)
    ]


def listed(day, playlist, total):
    """A row of `playlists`."""
    uri = f"spotify:playlist:{playlist}"
    return {
        **ABOUT,
        "collected_on": day,
        "pulled_at": day,
        "playlist_id": playlist,
        "playlist_uri": uri,
        "playlist_name": playlist.title(),
        "items_total": total,
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_listening_is_what_plain_python_counts(made_lake, seed):
    """Of each kind of context and each playlist, with what of its last content was heard, from it and at all."""
    plays = made_history(seed)
    listed_rows, content_rows = rows_of(playlists_frame(plays)), rows_of(playlist_tracks_frame(plays))
    expected = []
    for listener, music in music_of(plays).items():
        recordings = {row["track_uri"]: row["recording_id"] for row in music}
        heard = {row["recording_id"] for row in music if row["is_listen"]}
        heard_here, rows = defaultdict(set), defaultdict(list)
        for row in music:
            if row["context_uri"]:
                kind = kind_of(row["context_uri"])
                rows["context", kind].append(row)
                if kind == "playlist":
                    playlist = row["context_uri"].split(":")[-1]
                    rows["playlist", playlist].append(row)
                    heard_here[playlist] |= {row["recording_id"]} if row["is_listen"] else set()
        whole = sum(row["is_listen"] for (kind, _), own in rows.items() for row in own if kind == "context")
        mine = [row for row in listed_rows if row["listener"] == listener]
        last_day = max(row["collected_on"] for row in mine)
        known = {row["playlist_id"]: row for row in sorted(mine, key=lambda row: row["collected_on"])}
        for playlist in known:
            rows["playlist", playlist]  # told, also where nothing was played from it
        for (dimension, value), own in rows.items():
            about = known.get(value, {}) if dimension == "playlist" else {}
            contents = [
                row for row in content_rows if (row["listener"], row["playlist_id"]) == (listener, value) and about
            ]
            day = max((row["collected_on"] for row in contents), default=None)
            uris = {row["item_uri"] for row in contents if row["collected_on"] == day and row["media"] != "episode"}
            if about.get("items_total") == 0:
                day, uris = about["collected_on"], set()
            found = {uri for uri in uris if recordings.get(uri) in heard}
            here = {uri for uri in uris if recordings.get(uri) in heard_here[value]}
            listens = [row for row in own if row["is_listen"]]
            ms = sum(row["ms_played"] for row in own)
            expected.append(
                {
                    "listener": listener,
                    "dimension": dimension,
                    "value": value,
                    "playlist_name": about.get("playlist_name"),
                    "is_own": about.get("is_own"),
                    "is_in_library": about.get("collected_on") == last_day if dimension == "playlist" else None,
                    "listens": len(listens),
                    "ms_played": ms,
                    "context_listens": whole,
                    "share": len(listens) / whole,
                    "last_listen_at": max((row["started_at"] for row in listens), default=None),
                    "content_collected_on": day,
                    "tracks": len(uris) if day else None,
                    "heard_tracks": len(found) if day else None,
                    "heard_here_tracks": len(here) if day else None,
                    "heard_share": share(len(found), len(uris)),
                    "estimated_share": share(sum(row["ms_played"] for row in own if row["ms_played_is_estimate"]), ms),
                    "is_minimum": False,
                }
            )
    told = {row["value"]: row for row in expected}
    assert told["radio"]["is_in_library"] is told["left"]["is_in_library"] is False
    assert (told["emptied"]["tracks"], told["theirs"]["tracks"]) == (0, None)
    assert 0 < told["mix"]["heard_here_tracks"] < told["mix"]["heard_tracks"] < told["mix"]["tracks"]
    assert_rows(made_lake(seed)("playlist_listening"), expected, "listener", "dimension", "value")


@pytest.mark.parametrize(
    ("context", "kind"),
    [
        ("spotify:playlist:mix", "playlist"),
        ("spotify:user:someone:playlist:mix", "playlist"),
        ("spotify:album:1", "album"),
        ("spotify:artist:1", "artist"),
        ("spotify:user:someone:collection", "collection"),
        ("spotify:collection", "collection"),
        ("spotify:search:x", "other"),
        ("", "other"),
    ],
)
def test_contexts_of_every_form_are_told_apart(lake, context, kind):
    """Old and new URIs of one playlist are the same playlist; a context that is none we know breaks nothing."""
    plays = plays_frame([play("anna", "2024-01-01 10:00", context_uri=context), play("anna", "2024-01-02 10:00")])
    nothing = {"playlists": frame_of(PLAYLISTS, []), "playlist_tracks": frame_of(PLAYLIST_TRACKS, [])}
    rows = rows_of(lake(plays=plays, **nothing)("playlist_listening"))
    told = {(row["dimension"], row["value"]): (row["listens"], row["share"]) for row in rows}
    assert told == {("context", kind): (1, 1.0)} | ({("playlist", "mix"): (1, 1.0)} if kind == "playlist" else {})


@pytest.mark.parametrize("seed", [1, 2])
def test_changes_are_what_plain_python_finds(made_lake, seed):
    """Each stored content against the one before it, by how often it holds an item; an emptied playlist lost all."""
    plays = made_history(seed)
    contents = defaultdict(lambda: defaultdict(Counter))
    for row in rows_of(playlists_frame(plays)):
        if row["items_total"] == 0:
            contents[row["listener"], row["playlist_id"]][row["collected_on"]].clear()
    for row in rows_of(playlist_tracks_frame(plays)):
        contents[row["listener"], row["playlist_id"]][row["collected_on"]][row["item_uri"]] += 1
    expected = [
        {
            "listener": listener,
            "playlist_id": playlist,
            "collected_on": day,
            "item_uri": uri,
            "playlist_name": f"My {playlist} {1 if playlist == 'left' else 2}",
            "change": "added" if days[day][uri] > days[earlier][uri] else "removed",
            "copies": abs(days[day][uri] - days[earlier][uri]),
            "previous_collected_on": earlier,
        }
        for (listener, playlist), days in contents.items()
        for earlier, day in pairwise(sorted(days))
        for uri in days[day] | days[earlier]
        if days[day][uri] != days[earlier][uri]
    ]
    assert {(row["playlist_id"], row["change"]) for row in expected} == {
        ("mix", "added"),
        ("mix", "removed"),
        ("emptied", "removed"),
    }
    grain = ("listener", "playlist_id", "collected_on", "item_uri")
    assert_rows(made_lake(seed)("playlist_changes"), expected, *grain)


def test_moving_is_no_change_and_copies_are_counted(lake):
    """What stands elsewhere is still there; of what was there twice, once less is one removed."""
    content = [*items("2024-01-01", "p", ["a", "b", "b"]), *items("2024-01-09", "p", ["b", "a", "c"])]
    run = lake(playlist_tracks=frame_of(PLAYLIST_TRACKS, content))
    told = {row["item_uri"]: (row["change"], row["copies"]) for row in rows_of(run("playlist_changes"))}
    assert told == {"b": ("removed", 1), "c": ("added", 1)}


def test_a_playlist_that_is_filled_again(lake):
    """Emptied and filled with the same: removed, then added; the days on which it stays empty say nothing more."""
    content = [*items("2024-01-01", "p", ["a"]), *items("2024-01-09", "p", ["a"])]
    library = [listed(f"2024-01-0{day}", "p", 1 if day in (1, 9) else 0) for day in (1, 5, 6, 9)]
    run = lake(playlists=frame_of(PLAYLISTS, library), playlist_tracks=frame_of(PLAYLIST_TRACKS, content))
    rows = [(row["collected_on"], row["change"]) for row in rows_of(run("playlist_changes"))]
    assert rows == [(datetime(2024, 1, 5), "removed"), (datetime(2024, 1, 9), "added")]
