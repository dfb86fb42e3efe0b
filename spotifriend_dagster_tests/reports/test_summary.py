"""The page as a text: what is on it, whose, and that data never become markup."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.lake.storage import FolderStorage
from spotifriend_dagster.reports.bundle import chart_scripts
from spotifriend_dagster.reports.definitions import DEFINITIONS
from spotifriend_dagster.reports.period import ReportError
from spotifriend_dagster.reports.summary import render, summary_key, write_summary
from spotifriend_dagster_tests.reports.conftest import ANA, NAMES, ROBIN, TOM
from spotifriend_dagster_tests.reports.made_figures import HOSTILE, coverage, day, days, made_figures, row
from spotifriend_dagster_tests.reports.test_charts import full_figures

SCRIPTS = "window.vegaEmbed = () => {};"


class Page(HTMLParser):
    """What a browser would find: elements in order, with their text; scripts and styles apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.tags[tag] += 1
        values = dict(attrs)
        if values.get("id"):
            self.ids[str(values["id"])] += 1
        if tag == "a":
            self.links.append(str(values["href"]))
        if tag in ("h1", "h2", "h3"):
            self.headings.append((tag, ""))
        if tag not in ("meta", "br", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data
            if {"h1", "h2", "h3"} & set(self._open):
                tag, said = self.headings[-1]
                self.headings[-1] = (tag, said + data)


def made_page(**tables) -> Page:
    """The page of figures made by hand."""
    given = {"daily_listening": days(date(2025, 1, 1), 70), "listening_coverage": coverage(date(2025, 1, 1), 70)}
    return Page(render(made_figures(**(given | tables)), SCRIPTS))


def test_the_page_is_where_it_is_looked_for(lake: Lake, page: Callable[[str, str], Path]):
    """The key names the listener and the period; the same lake gives the same page, to the byte."""
    path = page(TOM, "all")
    assert path == lake.storage.path(summary_key(TOM, "all"))
    before = path.read_bytes()
    assert write_summary(lake.reader(TOM), lake.storage, NAMES[TOM], "all") == summary_key(TOM, "all")
    assert path.read_bytes() == before


def test_each_page_is_about_its_listener_alone(lake: Lake, page: Callable[[str, str], Path]):
    """Two listeners in one lake never mix: the headline figures are each one's own."""
    for listener in (ROBIN, ANA, TOM):
        totals = lake.engine.query(f"SELECT * FROM listening_totals WHERE listener = '{listener}'").to_pylist()[0]
        text = Page(page(listener, "all").read_text("utf-8")).text
        assert f"{totals['listens']:,}" in text
        assert f"{totals['artists']:,}" in text


def test_a_months_page_tells_the_months_figures(lake: Lake, page: Callable[[str, str], Path]):
    """Sums of the days of the month, not of all time."""
    told = lake.engine.query(
        f"SELECT SUM(listens) AS listens, SUM(artist_discoveries) AS found FROM daily_listening "
        f"WHERE listener = '{ROBIN}' AND local_date BETWEEN DATE '2024-03-01' AND DATE '2024-03-31'"
    ).to_pylist()[0]
    text = " ".join(Page(page(ROBIN, "2024-03").read_text("utf-8")).text.split())
    assert "Robin <b>& Co</b>, March 2024" in text
    assert f"Listens {told['listens']} plays of at least 30 seconds" in text
    assert f"New artists {told['found']} heard for the first time" in text
    assert "1 March 2024 to 31 March 2024" in text


@pytest.mark.parametrize("period", ["2024", "2024-03"])
def test_what_is_of_all_time_stands_apart(page: Callable[[str, str], Path], period: str):
    """The clock of two years on the page of a month would be read as the month's."""
    headings = Page(page(ROBIN, period).read_text("utf-8")).headings
    apart = headings.index(("h2", "Over all time"))
    assert ("h2", "Over time") in headings[:apart]
    assert period == "2024-03" or ("h2", "Genres over time") in headings[:apart]
    of_all_time = {said for tag, said in headings[apart:] if tag == "h3"}
    assert {
        "The clock",
        "Skips",
        "Taste through the day",
        "Genres through the day",
        "Spotify's tops against the counts",
        "Playlists",
        "Weekdays against weekends",
        "Seasons",
        "Loyalty",
    } <= of_all_time
    assert not of_all_time & {said for _, said in headings[:apart]}


def test_account_data_makes_nothing_up(page: Callable[[str, str], Path]):
    """No skips are known of it: no rate, no chart, no list of them."""
    found = Page(page(ANA, "all").read_text("utf-8"))
    assert "skipped" not in found.text.lower().split("definitions")[0]
    assert ("h2", "Skips") not in found.headings
    assert ("h2", "The clock") in found.headings


def test_without_signing_in_the_page_says_in_a_line_what_that_would_add(page: Callable[[str, str], Path]):
    """Who has an export alone gets no empty charts of genres, tops, playlists, likes; who has signed in, no advice."""
    more = {"Genres over time", "Spotify's top songs", "Playlists", "Liked songs", "How it sounds through the day"}
    alone, signed_in = (Page(page(listener, "all").read_text("utf-8")) for listener in (ANA, ROBIN))
    assert not more & {said for _, said in alone.headings}
    assert alone.text.count("spotifriend login") == 1
    assert more <= {said for _, said in signed_in.headings}
    assert "spotifriend login" not in signed_in.text


def test_where_plays_may_be_missing_counts_are_at_least(page: Callable[[str, str], Path]):
    """Polls missed days of Robin's listening; Ana's and the year 2023 are completely known."""
    text = " ".join(Page(page(ROBIN, "all").read_text("utf-8")).text.split())
    assert "may have had more listening" in text
    assert re.search(r"Listens at least [\d,]+ plays", text)
    for other in (page(ANA, "all"), page(ROBIN, "2024")):
        assert "at least " not in " ".join(Page(other.read_text("utf-8")).text.split("In plain words")[0].split()[:9])


def test_an_empty_lake_is_said_in_a_sentence(lake: Lake):
    """A listener without a play, known or not, gets no page of zeros."""
    for listener in ("nobody", "un'known"):
        with pytest.raises(ReportError) as refusal:
            write_summary(lake.reader(listener), lake.storage, "Nobody", "all")
        assert str(refusal.value) == (
            f"The lake has no listening of {listener} yet: spotifriend import brings an export in."
        )
        assert not [stored for stored in lake.storage.list("reports") if f"listener={listener}" in stored.key]


def test_a_period_without_listening_is_said_in_a_sentence(lake: Lake):
    """Before the history, after it: the sentence says what there is."""
    for period, title in (("2019", "2019"), ("2026-01", "January 2026")):
        with pytest.raises(
            ReportError, match=f"listened to nothing in {title}: choose a period between 2022-12-01 and 2025-"
        ):
            write_summary(lake.reader(ROBIN), lake.storage, "Robin", period)


@pytest.mark.parametrize("listener", [ROBIN, ANA, TOM])
def test_no_element_is_left_open_and_no_anchor_leads_nowhere(page: Callable[[str, str], Path], listener: str):
    """Ids are unique, links stay on the page and have their target, headings go down by one."""
    found = Page(page(listener, "all").read_text("utf-8"))
    assert max(found.ids.values()) == 1
    assert found.links
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    levels = [int(tag[1]) for tag, _ in found.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_hostile_titles_are_text_everywhere(page: Callable[[str, str], Path]):
    """In lists, tables, sentences, specs and the title: no element but the page's own, no template evaluated."""
    html = page(ROBIN, "all").read_text("utf-8")
    found = Page(html)
    assert {tag: found.tags[tag] for tag in ("b", "img", "body", "main")} == {"b": 0, "img": 0, "body": 1, "main": 1}
    assert "<img src=x" in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert html.count("</script>") == found.tags["script"]
    for title in HOSTILE:
        assert title in html or title[:60] in found.text


def test_specs_are_read_back_as_they_were():
    """What is escaped for the page's sake is the same JSON."""
    html = render(full_figures_with_coverage(lambda number: HOSTILE[number]), SCRIPTS)
    specs = re.findall(r'<script type="application/json" id="spec-(\w+)">(.*?)</script>', html)
    assert len(specs) == 18
    told = {
        str(value)
        for _, text in specs
        for rows in json.loads(text)["datasets"].values()
        for r in rows
        for value in r.values()
    }
    assert set(HOSTILE) <= told


def full_figures_with_coverage(name):
    """Rows for every chart and for the header."""
    figures = full_figures(name)
    figures.rows["listening_coverage"] = coverage(date(2025, 1, 1), 100)
    return figures


def test_the_policy_names_the_pages_two_scripts_and_no_others():
    """By their hashes: a script that came in with the data would not run."""
    html = render(full_figures_with_coverage("Name {}".format), SCRIPTS)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert "unsafe-eval" not in policy[1]
    assert "script-src 'unsafe-inline'" not in policy[1]
    assert "default-src 'none'" in policy[1]
    hashes = [
        b64encode(sha256(script.encode()).digest()).decode()
        for script in re.findall(r'<script type="module">(.*?)</script>', html, re.DOTALL)
    ]
    assert re.findall(r"'sha256-([^']*)'", policy[1]) == hashes
    assert len(hashes) == 2


def test_every_definition_is_on_the_page():
    """Also those that no figure of this period leads to: they explain each other."""
    found = made_page()
    assert {f"definition-{anchor}" for anchor in DEFINITIONS} <= found.ids.keys()


def test_rows_that_do_not_add_up_are_not_hidden():
    """Unaccounted rows are a fault of ours, and told."""
    account = row("row_accounting", input_rows=1_010, kept_rows=1_000, rejected_rows=7, unaccounted_rows=3)
    text = " ".join(made_page(row_accounting=[account]).text.split())
    assert (
        "1,010 rows were received in all: 1,000 kept, 0 duplicates, 0 superseded by a richer source, 7 rejected, 3 un"
        in text
    )
    assert "unaccounted" not in " ".join(made_page(row_accounting=[account | {"unaccounted_rows": 0}]).text.split())


def test_what_the_figures_rest_on_is_told():
    """Uncertain starts, overlaps, unknown media and private sessions, where there are any."""
    told = {"uncertain_start_share": 0.05, "overlap_share": 0.001, "unknown_share": 0.2, "private_plays": 1_337}
    dates = {"first_date": date(2025, 1, 1), "last_date": date(2025, 3, 11)}
    text = " ".join(made_page(listening_totals=[row("listening_totals", **told, **dates)]).text.split())
    assert "5.0% of the plays have a start that may be over a minute off." in text
    assert "0.1% of the listening time overlaps other plays." in text
    assert "For 20% of the listening time, nothing says what was played; it is in totals of time alone." in text
    assert "1,337 plays of private sessions are left out of everything." in text
    silent = " ".join(made_page().text.split())
    assert "private sessions are left out" not in silent
    assert "overlaps" not in silent.split("Definitions")[0]


def test_fifteen_years_stay_a_small_page(lake: Lake):
    """A page of all of a long life with music is sent by mail and opened on a phone."""
    first = date(2010, 1, 1)
    figures = full_figures_with_coverage("Name {}".format)
    figures.rows["daily_listening"] = days(first, 5_479)
    figures.rows["listening_coverage"] = coverage(first, 5_479)
    figures.rows["discovery_vs_returning"] = [
        row("discovery_vs_returning", month=date(year, month, 1), subject=subject, listens=100, discovery_share=0.1)
        for year in range(2010, 2025)
        for month in range(1, 13)
        for subject in ("artist", "recording")
    ]
    figures.rows["repeat_obsessions"] = [
        figures.rows["repeat_obsessions"][0] | {"obsession_rank": rank, "track_name": f"Song {rank}"}
        for rank in range(1, 2_000)
    ]
    page = render(figures, chart_scripts(lake.storage))
    assert len(page.encode()) < 2_000_000


def test_the_charts_scripts_are_put_together_once(tmp_path: Path):
    """Two seconds for each page would be a minute for a household; what is kept cannot end its element."""
    storage = FolderStorage(tmp_path)
    scripts = chart_scripts(storage)
    assert "</script" not in scripts
    (kept,) = storage.list("reports/scripts")
    storage.write(kept.key, b"kept")
    assert chart_scripts(storage) == "kept"


def test_a_day_is_a_page():
    """The least there can be: one day with a play of ten seconds."""
    found = made_page(
        daily_listening=[day("2025-01-01", 0.001, plays=1, listens=0)], listening_coverage=coverage(date(2025, 1, 1), 1)
    )
    text = " ".join(found.text.split())
    assert "1 January 2025. Coverage: 1 of 1 day completely known." in text
    assert "Days with music 0 of 1 day" in text
    assert "In plain words" not in text
