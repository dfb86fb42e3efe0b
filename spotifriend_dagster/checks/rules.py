"""Rules that hold across tables. A rule is a query for what breaks it: no rows, no fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.lake.dialect import tables_read

_SHOWN = 10
ACCEPTED_OVERLAP_SHARE = 0.1
"""Real histories overlap by 0.7 to 8 %: above a tenth, two people's listening is probably mixed under one id."""


@dataclass(frozen=True)
class Rule:
    """A rule: the asset that it is about, how grave a breach is and why, the query for what breaks it, and the cure.

    The query's tables hold one listener's rows alone.

    `{tomorrow}` in the query stands for the instant a day from now, UTC.
    """

    name: str
    asset: tuple[str, str]
    severity: dg.AssetCheckSeverity
    description: str
    breaches: str
    cure: str | None = None

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The rule as Dagster knows it."""
        return dg.AssetCheckSpec(self.name, asset=dg.AssetKey(self.asset), description=self.description)


RULES = (
    Rule(
        "exports_are_of_one_person",
        ("cleaned", "history_plays"),
        dg.AssetCheckSeverity.WARN,  # the rows are right; whether two people share an id, only they can say
        "Where two exports under one listener id cover the same time, at least half of their rows are the same.",
        """
        WITH exports AS (
            SELECT listener, export, MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts
            FROM history_files WHERE source = 'extended' GROUP BY listener, export
        ), pairs AS (
            SELECT one.listener, one.export AS export, other.export AS other_export,
                GREATEST(one.first_ts, other.first_ts) AS since, LEAST(one.last_ts, other.last_ts) AS until
            FROM exports AS one JOIN exports AS other
                ON other.listener = one.listener AND other.export > one.export
        ), moments AS (
            SELECT pairs.listener, pairs.export, pairs.other_export, rows.ts, rows.ms_played,
                COUNT(DISTINCT rows.export) AS exports
            FROM pairs JOIN history_plays AS rows
                ON rows.listener = pairs.listener AND rows.ts >= pairs.since AND rows.ts <= pairs.until
                AND (rows.export = pairs.export OR rows.export = pairs.other_export)
            GROUP BY pairs.listener, pairs.export, pairs.other_export, rows.ts, rows.ms_played
        )
        SELECT listener, export, other_export, COUNT(*) AS moments, COUNT_IF(exports = 2) AS in_both
        FROM moments
        GROUP BY listener, export, other_export
        HAVING COUNT(*) >= 100 AND COUNT_IF(exports = 2) * 2 < COUNT(*)
        """,
    ),
    Rule(
        "rows_add_up",
        ("insights", "row_accounting"),
        dg.AssetCheckSeverity.ERROR,  # a row without an outcome is a lost play: no figure can be believed
        "Of every file: rows in = kept + duplicate + superseded + rejected.",
        "SELECT listener, source, origin, file, input_rows, unaccounted_rows FROM row_accounting "
        "WHERE unaccounted_rows <> 0",
    ),
    Rule(
        "no_play_in_the_future",
        ("cleaned", "plays"),
        dg.AssetCheckSeverity.ERROR,  # cleaning rejects them, so one that is left is a fault of ours
        "No play starts later than a day from now (a day, for clocks that are wrong).",
        "SELECT listener, play_number, started_at FROM plays WHERE started_at > TIMESTAMP '{tomorrow}'",
    ),
    Rule(
        "overlap_is_small",
        ("insights", "listening_totals"),
        dg.AssetCheckSeverity.WARN,  # the figures are right, but of more than one person perhaps
        f"At most {ACCEPTED_OVERLAP_SHARE:.0%} of the listening time overlaps another play of the same listener.",
        f"SELECT listener, overlap_share FROM listening_totals WHERE overlap_share > {ACCEPTED_OVERLAP_SHARE}E0",
    ),
    Rule(
        "sessions_partition_the_plays",
        ("insights", "sessions"),
        dg.AssetCheckSeverity.ERROR,  # a play in no session or in two makes every session figure wrong
        "Every counted play is in one session, and the sessions with a listen hold the plays that they say.",
        """
        WITH expected AS (
            SELECT listener, session_number, COUNT(*) AS plays, COUNT_IF(is_listen) AS listens
            FROM plays WHERE is_counted GROUP BY listener, session_number
        )
        SELECT expected.listener, expected.session_number, expected.plays, sessions.plays AS published_plays
        FROM expected
        LEFT JOIN sessions
            ON sessions.listener = expected.listener AND sessions.session_number = expected.session_number
        WHERE expected.session_number IS NULL
            OR COALESCE(sessions.plays, 0) <> CASE WHEN expected.listens > 0 THEN expected.plays ELSE 0 END
        """,
    ),
    Rule(
        "daily_time_equals_playing_time",
        ("insights", "daily_listening"),
        dg.AssetCheckSeverity.ERROR,  # the split at midnight lost or made up listening
        "The listening time of all days is that of all counted plays, to the millisecond.",
        """
        WITH played AS (
            SELECT listener, SUM(ms_played) AS ms_played FROM plays WHERE is_counted GROUP BY listener
        ), by_day AS (
            SELECT listener, SUM(ms_played) AS ms_played FROM daily_listening GROUP BY listener
        )
        SELECT played.listener, played.ms_played, by_day.ms_played AS by_day
        FROM played LEFT JOIN by_day ON by_day.listener = played.listener
        WHERE played.ms_played <> COALESCE(by_day.ms_played, 0)
        """,
    ),
    Rule(
        "no_gap_is_open",
        ("cleaned", "listening_gaps"),
        dg.AssetCheckSeverity.WARN,  # figures across it are marked as minimums; only an export can complete them
        "Nowhere may plays be missing between two polls that no export tells.",
        "SELECT listener, open_from, open_until FROM listening_gaps WHERE is_open ORDER BY listener, open_from",
        cure="Request the extended streaming history at https://www.spotify.com/account/privacy/ (it takes up to 30 "
        "days) and `spotifriend import` it: the gaps that it covers close.",
    ),
    Rule(
        "polls_are_understood",
        ("cleaned", "recent_pages"),
        dg.AssetCheckSeverity.ERROR,  # Spotify has begun to say it otherwise: every poll from now on is unread
        "Of the last 100 polls of a listener, none told plays of which not one could be read, but for damaged objects.",
        """
        WITH polls AS (
            SELECT listener, page, rows, rejected_rows, is_damaged,
                ROW_NUMBER() OVER (PARTITION BY listener ORDER BY pulled_at DESC, page DESC) AS polls_ago
            FROM recent_pages
        )
        SELECT listener, page, rows FROM polls
        WHERE polls_ago <= 100 AND rows > 0 AND rejected_rows = rows AND NOT COALESCE(is_damaged, FALSE)
        ORDER BY listener, page
        """,
    ),
    Rule(
        "polls_keep_pace",
        ("cleaned", "recent_pages"),
        dg.AssetCheckSeverity.WARN,  # nothing need be lost yet; the next busy evening may be
        "The usual time between polls (the median of the last 100) is less than the shortest in which the listener "
        "ever played the 50 songs that Spotify keeps.",
        """
        WITH songs AS (
            SELECT listener, ended_at,
                LAG(ended_at, 49) OVER (PARTITION BY listener ORDER BY ended_at, play_number) AS ended_at_49_before
            FROM plays
            WHERE media = 'track' AND is_listen AND NOT is_private AND (source = 'recent' OR NOT is_start_uncertain)
        ), pace AS (
            SELECT listener, MIN(DATE_DIFF('second', ended_at_49_before, ended_at)) AS seconds_for_50_songs
            FROM songs WHERE ended_at_49_before IS NOT NULL GROUP BY listener
        ), polls AS (
            SELECT listener, pulled_at,
                LAG(pulled_at) OVER (PARTITION BY listener ORDER BY pulled_at, page) AS pulled_before,
                ROW_NUMBER() OVER (PARTITION BY listener ORDER BY pulled_at DESC, page DESC) AS polls_ago
            FROM recent_pages
        ), waits AS (
            SELECT listener, DATE_DIFF('second', pulled_before, pulled_at) AS seconds
            FROM polls WHERE pulled_before IS NOT NULL AND polls_ago <= 100
        ), ranked AS (
            SELECT listener, seconds,
                ROW_NUMBER() OVER (PARTITION BY listener ORDER BY seconds) AS place,
                COUNT(*) OVER (PARTITION BY listener) AS waits
            FROM waits
        )
        SELECT ranked.listener, ranked.seconds AS seconds_between_polls, pace.seconds_for_50_songs
        FROM ranked JOIN pace ON pace.listener = ranked.listener
        WHERE ranked.place = (ranked.waits + 1) / 2 AND ranked.seconds >= pace.seconds_for_50_songs
        """,
        cure="Poll more often than in `seconds_for_50_songs`: the hourly schedule is enough for nearly everybody.",
    ),
)


@dg.multi_asset_check(specs=[rule.spec for rule in RULES], can_subset=True)
def rules_across_tables(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake], listeners: dg.ResourceParam[Listeners]
) -> Any:
    """Evaluate every selected rule over the tables as they are published, listener by listener."""
    known = set(lake.catalog.names())
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")
    queries = {rule: rule.breaches.replace("{tomorrow}", tomorrow) for rule in RULES}
    selected = [rule for rule in RULES if rule.spec.key in context.selected_asset_check_keys]
    missing = {rule: sorted(tables_read(queries[rule]) - known) for rule in selected}
    breaches: dict[Rule, list[dict[str, Any]]] = {rule: [] for rule in selected}
    for listener in sorted(listeners.read()):
        reader = lake.reader(listener)
        for rule in selected:
            if not missing[rule]:
                breaches[rule] += reader.query(queries[rule]).to_pylist()
    for rule in selected:
        yield _result(rule, missing[rule], breaches[rule])


def _result(rule: Rule, missing: Sequence[str], breaches: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    """The evaluation of a rule: `missing` are the tables that it reads and that are not there."""
    if missing:
        return dg.AssetCheckResult(
            check_name=rule.name,
            asset_key=rule.spec.asset_key,
            passed=True,
            description=f"Nothing to judge: {', '.join(missing)} was never materialized.",
        )
    by_listener: dict[str, list[Mapping[str, Any]]] = {}
    for row in breaches:
        by_listener.setdefault(row["listener"], []).append(row)
    return dg.AssetCheckResult(
        check_name=rule.name,
        asset_key=rule.spec.asset_key,
        passed=not breaches,
        severity=rule.severity,
        metadata={
            **({"cure": rule.cure} if rule.cure and breaches else {}),
            "breaches": len(breaches),
            "listeners": dg.MetadataValue.json(
                {listener: _said(of_listener) for listener, of_listener in sorted(by_listener.items())}
            ),
            "first": dg.MetadataValue.json(
                [{name: str(value) for name, value in row.items()} for row in breaches[:_SHOWN]]
            ),
        },
    )


def _said(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many rows break a rule, and the first of them, in words."""
    first = ", ".join(f"{name} {value}" for name, value in rows[0].items() if name != "listener")
    return f"{len(rows):,} found, the first with {first}." if first else f"{len(rows):,} found."
