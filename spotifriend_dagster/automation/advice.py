"""What is said of each problem: what it is, what it costs, and what to do. docs/operations.md says the same.

Where problems are found is in `findings.py`.
"""

from typing import NamedTuple

from spotifriend_dagster.assets.collected import CONSENT_LASTS, NOTHING_WITHHELD
from spotifriend_dagster.assets.music import FILE_IS_GOOD
from spotifriend_dagster.assets.musicbrainz import EVERYTHING_ANSWERED
from spotifriend_dagster.assets.quicksight import NO_ROWS_DROPPED
from spotifriend_dagster.assets.specs import EVERY_LISTENER, MATCHES_DECLARATION, MISTYPED_VALUES, UNKNOWN_FIELDS
from spotifriend_dagster.checks.days import CLOSED_DAY


class Advice(NamedTuple):
    """A problem in general: what it is, what it costs while it lasts, and what to do."""

    what: str
    cost: str
    cure: str


_RUN_AGAIN = (
    "Do what the sentence above says, then `spotifriend run`; the next night repeats it as well. If it is told again, "
    "and there is nothing that you can do, please report it."
)
_OLD_FIGURES = "Tables that are made of it keep what they said before; nothing is lost."
_LOST_PLAYS = (
    "Nothing yet. Spotify tells the last 50 plays only: if more than these are played before a poll goes well (some "
    "three hours of listening), the others are missing until an export brings them."
)
_A_FAULT = (
    "`spotifriend ui` shows the rows. It is a fault of SpotiFriend: please report it. `spotifriend rollback TABLE` "
    "goes back to the version before."
)

STEP_FAILED = Advice("{job} failed at {step}", _OLD_FIGURES, _RUN_AGAIN)
POLL_FAILED = Advice(
    "{job} failed at {step}", _LOST_PLAYS, "Do what the sentence above says; every hour it is tried again."
)
IMPORT_FAILED = Advice(
    "An import failed", "Nothing of the export is in the lake.", "Do what the sentence above says, and import it again."
)
_GOES_ON = (
    "Nothing is half-written: the next run goes on from there. If it happens again, look for lack of memory, time or "
    "disk."
)
RUN_BROKE_OFF = Advice("A run of {job} broke off", _OLD_FIGURES, _GOES_ON)
POLL_BROKE_OFF = Advice("A run of {job} broke off", _LOST_PLAYS, _GOES_ON)
RUN_STOPPED = Advice("A run of {job} was stopped by somebody", _OLD_FIGURES, "`spotifriend run`, when it is wanted.")
POLL_UNANSWERED = Advice(
    "Spotify was not polled", _LOST_PLAYS, "Do what the sentence above says; every hour it is tried."
)
COLLECTION_UNANSWERED = Advice(
    "Not everything was collected",
    "Tops, playlists, library or look-ups of this day are not in the lake; plays are.",
    "Do what the sentence above says; the next night asks again.",
)
DENIED = Advice(
    "Spotify refuses part of what is collected",
    "What depends on it stays empty; all else is collected.",
    "Do what the sentence above says, or leave it: this is told once.",
)
RUNS_OVERLAPPED = Advice(
    "Two runs of {job} overlapped",
    "Nothing is lost, and the tables are as after one of them; the work was done, and asked and paid for, twice.",
    "Let one thing run it: the schedules of `spotifriend ui`, cron, or Lambda. Who runs by hand waits for them to end.",
)
CLOCK_IS_WRONG = Advice(
    "The clock of the machine that polls is wrong",
    "Plays have their right times, and what is received is filed by Spotify's clock. But schedules fire at a wrong "
    "time, and the day on which a consent ends is told wrongly.",
    "Turn on time synchronisation, by `timedatectl set-ntp true` on Linux or in the system's settings.",
)
FILE_DAMAGED = Advice(
    "A file of the lake was damaged, and is made anew",
    "Nothing: it was made again from what was received.",
    "If it happens again, something damages files: look at the disk (`smartctl -a`), at what else writes into the "
    "lake's folder, and at your backup of `raw`, which nothing can make anew.",
)
RECEIVED_DAMAGED = Advice(
    "An object of what was received is damaged",
    "Nothing, where polls went on: the next one brought the last 50 plays again. Of the object, what could be read is "
    "used, and the rest is in `recent_rejects`. Plays that no other poll told lie in a gap, which is told apart.",
    "Where you have a copy of the object, put it back, and clean its day again: `spotifriend run --from DAY --to DAY`. "
    "If it happens again, something damages files: look at the disk (`smartctl -a`).",
)
DEFINITION_EDITED = Advice(
    "Somebody had changed the definition of a table, and it is put right",
    "Until then, queries by it may have failed or found less. No data is lost.",
    "Change nothing in the catalog by hand, as every rebuild puts it right. What should be otherwise is declared in "
    "`tables/`, or in an insight's SQL file.",
)

OF_CHECKS = {
    MATCHES_DECLARATION: Advice(
        "A table is not what it is declared to be",
        "It was not published, and readers stay on the version before.",
        "`spotifriend ui` shows the rows at the check. It is a fault of SpotiFriend: please report it.",
    ),
    EVERY_LISTENER: Advice(
        "A listener was left out of a table",
        "Their figures stay as they were; those of others are new.",
        "Do what the sentence above says, then `spotifriend run`.",
    ),
    NOTHING_WITHHELD: COLLECTION_UNANSWERED,
    UNKNOWN_FIELDS: Advice(
        "Spotify sends fields that SpotiFriend does not know",
        "Nothing is lost: they are kept in raw, and in no table yet.",
        "Nothing now. Upgrade SpotiFriend when a version knows them. Each field is told once.",
    ),
    MISTYPED_VALUES: Advice(
        "An export holds values of another kind than Spotify ever sent",
        "They are null in tables, and kept in raw.",
        "Look at the check in `spotifriend ui`; if the export was edited, import the one that Spotify sent. This is "
        "told once.",
    ),
    EVERYTHING_ANSWERED: Advice(
        "MusicBrainz did not answer everything",
        "Genres of some artists are not known yet.",
        "Nothing: the next night goes on from there.",
    ),
    FILE_IS_GOOD: Advice(
        "A file of yours holds lines that cannot be used",
        "What is good in it is used.",
        "Correct the lines that `spotifriend ui` shows at the check; docs/genres-and-features.md says how they look.",
    ),
    CONSENT_LASTS: Advice(
        "Consent to collect ends soon",
        "When it has ended, nothing is collected, and plays beyond the last 50 are lost.",
        "Sign in again before: `spotifriend login --listener LISTENER`. It takes a minute, and the six months begin "
        "anew.",
    ),
    CLOSED_DAY: Advice(
        "Polls were missing for a whole day",
        "Plays of that day beyond the last 50 are missing until an export brings them; Spotify tells no past day.",
        "See that something polls every hour (`spotifriend ui`, cron, or Lambda), and request an export.",
    ),
    "exports_are_of_one_person": Advice(
        "Exports of two people seem to be under one listener",
        "Figures may be of more than one person.",
        "If they are: name the other listener in listeners.toml, and import their export for them.",
    ),
    "rows_add_up": Advice(
        "Rows were received of which nobody knows what became", "No figure can be believed.", _A_FAULT
    ),
    "no_play_in_the_future": Advice("A play is in the future", "Figures of its day are wrong.", _A_FAULT),
    "overlap_is_small": Advice(
        "Much listening overlaps",
        "Figures may be of more than one person, who share an account.",
        "If exports of two people are under one id, import each for their own.",
    ),
    "sessions_partition_the_plays": Advice(
        "Sessions do not hold the plays", "Figures of sessions are wrong.", _A_FAULT
    ),
    "daily_time_equals_playing_time": Advice(
        "The days do not add up to the listening", "Figures of days are wrong.", _A_FAULT
    ),
    "no_gap_is_open": Advice(
        "Plays may be missing between two polls",
        "Figures across the gap are minimums, and say “at least”.",
        "Request the extended streaming history at https://www.spotify.com/account/privacy/ (it takes up to 30 days) "
        "and `spotifriend import` it: the gaps that it covers close.",
    ),
    "polls_are_understood": Advice(
        "Spotify's answers could not be read",
        "What they tell is in no table yet; raw keeps it, and nothing is lost.",
        "Upgrade SpotiFriend, then `spotifriend run --from DAY`, with the day on which it began: these polls are read "
        "anew.",
    ),
    "polls_keep_pace": Advice(
        "Polls come too seldom for this listener",
        "Nothing need be lost yet; the next busy evening may be.",
        "Poll more often: the hourly schedule is enough for nearly everybody.",
    ),
    NO_ROWS_DROPPED: Advice(
        "QuickSight left rows out",
        "The dashboard shows too little; the tables are whole.",
        "Look at the data set's last refresh in QuickSight, which names the rows.",
    ),
}
"""By the name of a check, what is said where it does not pass."""
