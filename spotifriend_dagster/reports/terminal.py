"""What the terminal shows of the lake: the five answers, rows, tables. The state of things is in `status.py`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from spotifriend_dagster.reports.selections import DAYPARTS
from spotifriend_dagster.reports.words import count, duration
from spotifriend_dagster.tables.insight import every_table

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from spotifriend_dagster.lake.catalog import Catalog
    from spotifriend_dagster.lake.reading import Reader
    from spotifriend_dagster.tables.declaration import Table

_BAR_WIDTH = 16
_ROWS_SHOWN = 200
_NAME_LENGTH = 36
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a title may hold what would move the cursor or colour the terminal


def bar(share: float, width: int = _BAR_WIDTH) -> str:
    """A horizontal bar that fills `share` (0 to 1) of `width` characters, to an eighth of one."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")


def print_answers(console: Console, reader: Reader) -> None:
    """The five answers about one listener, each with its denominator."""
    rows = _Rows(reader)
    totals = rows.of("SELECT * FROM listening_totals")
    if not totals or not totals[0]["listens"]:
        console.print(f"[yellow]![/] Nothing listened to by {escape(reader.listener)} is in the lake yet.")
        return
    total = totals[0]
    console.print()
    console.rule(f"[bold]{escape(reader.listener)}: what the listening says[/]", align="left")
    console.print(
        f"{total['first_date']} to {total['last_date']}: "
        f"[bold]{count(total['listens'], 'listen', 'listens')}[/] of at least 30 s, "
        f"[bold]{duration(total['ms_played'])}[/], {count(total['artists'], 'artist', 'artists')}, "
        f"{count(total['recordings'], 'recording', 'recordings')}."
    )
    uncertain = rows.of("SELECT status, COUNT(*) AS days FROM listening_coverage", "is_minimum", "GROUP BY status")
    days = {row["status"]: row["days"] for row in uncertain}
    said = (
        ("minimum", "plays may be missing on {:,} of the days"),
        ("unknown", "nothing is known of {:,} of the days"),
    )
    if doubts := [words.format(days[status]) for status, words in said if status in days]:
        doubt = " and ".join(doubts)
        console.print(f"[dim]{doubt[0].upper()}{doubt[1:]}: the counts are the least that was.[/]", soft_wrap=True)
    _print_dayparts(console, rows)
    _print_novelty(console, rows)
    _print_weekends(console, rows)
    _print_skips(console, rows)
    _print_repeats(console, rows)


class _Rows:
    """Rows of insights of one listener."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, select: str, where: str = "", then: str = "") -> list[dict[str, Any]]:
        condition = f" WHERE {where}" if where else ""
        return self._reader.query(f"{select}{condition} {then}").to_pylist()


def _heading(console: Console, question: str) -> None:
    console.print(f"\n[bold cyan]{question}[/]")


def columns_of(*columns: tuple[str, str]) -> Grid:
    """A table without lines: its columns' headings, and to which side they are set."""
    grid = Grid(box=None, pad_edge=False, show_header=any(name for name, _ in columns), header_style="dim")
    for name, justify in columns:
        grid.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return grid


def _print_dayparts(console: Console, rows: _Rows) -> None:
    _heading(console, "Taste through the day")
    parts = {row["daypart"]: row for row in rows.of("SELECT * FROM daypart_divergence")}
    typical = rows.of(
        "SELECT daypart, artist_name, lift, listens FROM taste_by_daypart",
        "listens >= 5",
        "ORDER BY daypart, lift DESC, listens DESC, artist_name",
    )
    grid = columns_of(
        ("", "left"), ("", "left"), ("listens", "right"), ("differs", "right"), ("more than elsewhere", "left")
    )
    grid.columns[4].no_wrap = False
    for name, span in (("morning", "6–12"), ("afternoon", "12–18"), ("evening", "18–24"), ("night", "0–6")):
        part = parts.get(name)
        if part is None:
            continue
        artists = [f"{_name(row['artist_name'])} ×{row['lift']:.1f}" for row in typical if row["daypart"] == name]
        artists = artists[: 1 if console.width < 100 else 2]
        differs = "–" if part["divergence_bits"] is None else f"{part['divergence_bits']:.2f} bit"
        grid.add_row(
            f"{name} {span}",
            Text(bar(part["listen_share"] or 0), style="cyan"),
            f"{part['listens']:,}",
            differs + ("*" if part["is_small_sample"] else ""),
            Text(", ".join(artists), style="dim"),
        )
    console.print(grid)
    if any(part["is_small_sample"] for part in parts.values()):
        console.print("[dim]* fewer than 50 listens: too few to trust[/]")
    genres = rows.of(
        "SELECT daypart, genre, lift FROM taste_by_daypart_genres",
        "listens >= 5 AND lift > 1.0E0 AND NOT is_small_sample AND NOT is_low_coverage",
        "ORDER BY daypart, lift DESC, listens DESC, genre",
    )
    typical_genres = {row["daypart"]: row for row in reversed(genres)}
    said = [
        f"{part} {_name(typical_genres[part]['genre'])} ×{typical_genres[part]['lift']:.1f}"
        for part in DAYPARTS
        if part in typical_genres
    ]
    if said:
        console.print(f"genres more than elsewhere: [dim]{escape(', '.join(said))}[/]")


def _print_novelty(console: Console, rows: _Rows) -> None:
    _heading(console, "Discovering against returning (artists, last 12 months of history)")
    months = rows.of(
        "SELECT month, listens, discovery_listens, rediscovery_listens, lapsed_listens, local_novelty, is_censored "
        "FROM discovery_vs_returning",
        "subject = 'artist'",
        "ORDER BY month DESC LIMIT 12",
    )
    grid = columns_of(
        ("", "left"), ("share of listens, new or back", "left"), ("", "right"), ("new", "right"), ("back", "right")
    )
    highest = max((row["local_novelty"] for row in months), default=0) or 1
    for row in reversed(months):
        grid.add_row(
            f"{row['month']:%b %Y}" + ("*" if row["is_censored"] else ""),
            Text(bar(row["local_novelty"] / highest), style="magenta"),
            f"{row['local_novelty']:.0%}",
            f"{row['discovery_listens']:,}",
            f"{row['rediscovery_listens'] + row['lapsed_listens']:,}",
        )
    console.print(grid)
    if any(row["is_censored"] for row in months):
        console.print("[dim]* the first 90 days of the history: what is new there may only be new to us[/]")


def _print_weekends(console: Console, rows: _Rows) -> None:
    _heading(console, "Weekdays against weekends")
    overall = rows.of("SELECT * FROM weekday_weekend", "dimension = 'all'")
    grid = columns_of(("", "left"), ("", "left"), ("music a day", "right"))
    if overall:
        per_day = {name: overall[0][f"{name}_ms_per_day"] for name in ("weekday", "weekend")}
        longest = max(ms or 1.0 for ms in per_day.values())
        for name, ms in per_day.items():  # null where no such day is known
            grid.add_row(name, Text(bar((ms or 0.0) / longest), style="green"), "–" if ms is None else duration(ms))
        console.print(grid)
    for title, order in (("more at weekends", "DESC"), ("more on weekdays", "ASC")):
        leaning = rows.of(
            "SELECT value, weekend_lift_log2 FROM weekday_weekend",
            "dimension = 'artist' AND weekend_lift_log2 IS NOT NULL "
            f"AND weekend_lift_log2 {'>' if order == 'DESC' else '<'} 0",
            f"ORDER BY weekend_lift_log2 {order}, value LIMIT 3",
        )
        if leaning:
            said = ", ".join(f"{_name(row['value'])} ×{2 ** abs(row['weekend_lift_log2']):.1f}" for row in leaning)
            console.print(f"{title}: [dim]{escape(said)}[/]")


def _print_skips(console: Console, rows: _Rows) -> None:
    _heading(console, "Skips")
    overall = rows.of("SELECT * FROM skip_behaviour", "dimension = 'all'")
    if not overall:
        console.print("[dim]No play says how it ended: skips are known from the extended export only.[/]")
        return
    row = overall[0]
    console.print(
        f"{row['skips']:,} of {row['plays']:,} plays that can be judged: [bold]{row['skip_rate']:.1%}[/] "
        f"[dim](95 %: {row['skip_rate_low']:.1%} to {row['skip_rate_high']:.1%})[/]"
    )
    grid = columns_of(("most at", "left"), ("", "left"), ("", "right"), ("plays", "right"))
    by_hour = rows.of("SELECT * FROM skip_behaviour", "dimension = 'hour' AND is_ranked", "ORDER BY value")
    highest = max((hour["skip_rate"] for hour in by_hour), default=1.0) or 1.0
    for hour in sorted(by_hour, key=lambda hour: (hour["skip_rank"], hour["value"]))[:3]:
        grid.add_row(
            f"{hour['label']} h",
            Text(bar(hour["skip_rate"] / highest), style="yellow"),
            f"{hour['skip_rate']:.1%}",
            f"{hour['plays']:,}",
        )
    console.print(grid)
    worst = rows.of(
        "SELECT label, skips, plays FROM skip_behaviour",
        "dimension = 'artist' AND is_ranked",
        "ORDER BY skip_rank LIMIT 3",
    )
    if worst:
        said = ", ".join(f"{_name(row['label'])} ({row['skips']} of {row['plays']})" for row in worst)
        console.print(f"skipped most: [dim]{escape(said)}[/]")


def _print_repeats(console: Console, rows: _Rows) -> None:
    _heading(console, "Songs on repeat")
    weeks = rows.of("SELECT SUM(repeats) AS repeats, SUM(listens) AS listens FROM repeat_share")
    if weeks and weeks[0]["listens"]:
        share = weeks[0]["repeats"] / weeks[0]["listens"]
        console.print(f"[bold]{share:.0%}[/] of all listens were of a song heard in the seven days before.")
    obsessions = rows.of(
        "SELECT track_name, artist_name, first_date, days, listens FROM repeat_obsessions",
        then="ORDER BY obsession_rank LIMIT 5",
    )
    if not obsessions:
        console.print("[dim]No song was played five times within a week.[/]")
        return
    grid = columns_of(("", "left"), ("", "left"), ("listens", "right"), ("days", "right"), ("from", "left"))
    for row in obsessions:
        grid.add_row(
            Text(_name(f"{row['track_name'] or 'unknown'} – {row['artist_name'] or 'unknown'}")),
            Text(bar(row["listens"] / obsessions[0]["listens"], 12), style="red"),
            f"{row['listens']:,}",
            f"{row['days']:,}",
            f"{row['first_date']}",
        )
    console.print(grid)


def print_where_next(console: Console, report: str, home: Path) -> None:
    """Three lines: the report, the UI, one's own data."""
    console.print()
    console.print(f"[bold]Report[/]    {report}", soft_wrap=True)
    console.print(f"[bold]UI[/]        SPOTIFRIEND_HOME={home} make ui", soft_wrap=True)
    console.print("[bold]Own data[/]  make demo EXPORT=my_spotify_data.zip ZONE=Europe/London", soft_wrap=True)


def print_rows(console: Console, rows: pa.Table, form: str, out: IO[str]) -> None:
    """A query's rows as a table for people, or as CSV or JSON for programs."""
    if form == "json":
        out.write(orjson.dumps(rows.to_pylist(), default=_jsonable, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(rows.column_names)
        writer.writerows([_text(value) for value in row] for row in _values(rows))
    else:
        grid = Grid(box=None, pad_edge=False, header_style="bold")
        for field in rows.schema:
            is_number = str(field.type).startswith(("int", "double", "decimal", "float"))
            grid.add_column(escape(field.name), justify="right" if is_number else "left")
        for row in _values(rows.slice(0, _ROWS_SHOWN)):
            grid.add_row(*(escape(_CONTROL.sub(" ", _shown(value))) for value in row))
        console.print(grid)
        if rows.num_rows > _ROWS_SHOWN:
            console.print(f"[dim]… and {rows.num_rows - _ROWS_SHOWN:,} rows more; --format csv gives all.[/]")


def _values(rows: pa.Table) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in rows.columns), strict=True)


def _jsonable(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _shown(value: Any) -> str:
    return f"{value:,.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else _text(value)


def _name(said: str) -> str:
    plain = _CONTROL.sub(" ", said)
    return plain if len(plain) <= _NAME_LENGTH else plain[: _NAME_LENGTH - 1] + "…"


def print_tables(console: Console, catalog: Catalog) -> None:
    """Every declared table, with its description, and whether the lake has it yet."""
    there = set(catalog.names())
    grid = columns_of(("table", "left"), ("layer", "left"), ("", "left"), ("one row per", "left"))
    grid.columns[3].no_wrap = False
    for table in sorted(every_table().values(), key=lambda table: (table.layer, table.name)):
        grid.add_row(table.name, table.layer, "✓" if table.name in there else "·", ", ".join(table.grain))
    console.print(grid)
    console.print("[dim]✓ in the lake. `spotifriend tables NAME` shows the columns of one.[/]")


def print_columns(console: Console, table: Table) -> None:
    """What a table is, and its columns as SQL sees them: name, type, meaning."""
    console.print(escape(table.description))
    console.print(f"Grain: {', '.join(table.grain)}.")
    grid = columns_of(("column", "left"), ("type", "left"), ("what it says", "left"))
    grid.columns[2].no_wrap = False
    for column in table.all_columns:
        grid.add_row(column.name, column.type, escape(column.description))
    console.print(grid)
