"""The page in a real browser: on a phone and a desk, by day and by night, with the mouse and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from spotifriend_dagster.reports.charts import CHARTED
from spotifriend_dagster_tests.reports.conftest import ANA, ROBIN, TOM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Route
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.browser

PHONE, DESK = 390, 1280
Scheme = Literal["light", "dark"]
SIGHTS = [
    *((ROBIN, "all", width, scheme) for width in (PHONE, DESK) for scheme in ("light", "dark")),
    (ROBIN, "2024", DESK, "light"),
    (ROBIN, "2024-03", PHONE, "dark"),
    (ANA, "all", PHONE, "light"),
    (TOM, "all", DESK, "dark"),
]
SELDOM = {"repeat_obsessions", "artist_retention", "discovery_vs_returning", "diversity_by_month"}
ALWAYS = {"listening_clock", "daypart_divergence", "taste_by_daypart"}
SIGNED_IN = {"taste_by_hour", "weekday_weekend_genres", "spotify_top_agreement", "audio_features_by_hour"}
CHARTS = {
    (ROBIN, "all"): set(CHARTED) | {"calendar"},
    (ROBIN, "2024"): set(CHARTED) | {"calendar"},
    (ROBIN, "2024-03"): ALWAYS | SIGNED_IN | {"daily_listening", "weekday_weekend", "skip_behaviour", "seasonality"},
    (ANA, "all"): ALWAYS | {"calendar", "daily_listening", "weekday_weekend"},
    (TOM, "all"): ALWAYS | {"calendar"},
}
"""What must be drawn of each; what is in `SELDOM` may be besides, as the listener's luck has it."""
_COUNT_MARKS = """() => Object.fromEntries([...document.querySelectorAll("[data-chart]")].map((element) => [
  element.dataset.chart,
  [...element.querySelectorAll("svg .role-mark path")].filter((path) => {
    const box = path.getBoundingClientRect();
    return box.width + box.height > 0;
  }).length,
]))"""
_OVERFLOWING = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  const isOut = box.right > innerWidth + 0.5 || box.left < -0.5;
  return isOut && box.width > 0 && !element.closest(".scroll, .hidden, svg");
}).map((element) => element.outerHTML.slice(0, 120))"""
_FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (colour) => {
    const [r, g, b] = [...rgb(colour)].map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const backgrounds = (element) => {
    const bar = element.closest("li")?.querySelector(".bar");
    const found = bar ? [getComputedStyle(bar).backgroundColor] : [];
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgb(colour)[3] === 255) { found.push(colour); break; }
    }
    return found;
  };
  const faint = [];
  for (const details of document.querySelectorAll("details")) details.open = true;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const isShown = element.getClientRects().length && !element.closest("script, style, .hidden");
    if (!isShown || !walker.currentNode.data.trim()) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    for (const background of backgrounds(element)) {
      const found = contrast(colour, background);
      if (found < 4.5) faint.push([walker.currentNode.data.trim().slice(0, 40), colour, background, found.toFixed(2)]);
    }
  }
  return { texts, faint };
}"""


@dataclass(frozen=True)
class Sight:
    """What a look at a page found."""

    requests: list[str]
    complaints: list[str]
    violations: list[str]
    scroll_width: int
    overflowing: list[str]
    marks: dict[str, int]
    faint: dict[str, Any]
    charts: list[dict[str, str]]


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[tuple[Tab, list[str], list[str]]]:
    """A tab that shows the page, its charts drawn, with the requests it made and what it complained of."""
    requests: list[str] = []
    complaints: list[str] = []

    def only_the_page(route: Route) -> None:
        requests.append(route.request.url)
        if route.request.url.split("#", maxsplit=1)[0] == path.as_uri():
            route.continue_()
        else:
            route.abort()

    context: BrowserContext = browser.new_context(**options)
    try:
        context.route("**/*", only_the_page)
        context.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));"
        )
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(path.as_uri())
        tab.wait_for_selector("body[data-drawn]", timeout=60_000)
        yield tab, requests, complaints
    finally:
        context.close()


def until(tab: Tab, expression: str) -> None:
    """Wait until an expression is true; Playwright's own waiting evaluates a text, which the page's policy forbids."""
    give_up = time.monotonic() + 10
    while not tab.evaluate(expression):
        assert time.monotonic() < give_up, f"{expression} did not become true"
        tab.wait_for_timeout(50)


@pytest.fixture(scope="module")
def look(browser: Browser, page: Callable[[str, str], Path]) -> Callable[[str, str, int, Scheme], Sight]:
    """`look(listener, period, width, scheme)` is what the browser finds; each page is opened once."""
    looked: dict[tuple[str, str, int, Scheme], Sight] = {}

    def at(listener: str, period: str, width: int, scheme: Scheme) -> Sight:
        sight = (listener, period, width, scheme)
        if sight not in looked:
            viewport = {"width": width, "height": 900}
            with opened(browser, page(listener, period), viewport=viewport, color_scheme=scheme) as (tab, asked, said):
                looked[sight] = Sight(
                    scroll_width=tab.evaluate("document.documentElement.scrollWidth"),
                    overflowing=tab.evaluate(_OVERFLOWING),
                    marks=tab.evaluate(_COUNT_MARKS),
                    charts=tab.eval_on_selector_all(
                        "[data-chart]",
                        "all => all.map(e => e.closest('[role=img]')).map(e => ({ name: e.ariaLabel, "
                        "rows: String(e.parentElement.querySelectorAll('tbody tr').length) }))",
                    ),
                    faint=tab.evaluate(_FAINT),
                    violations=tab.evaluate("window.violations"),
                    requests=asked,
                    complaints=said,
                )
        return looked[sight]

    return at


each_sight = pytest.mark.parametrize(("listener", "period", "width", "scheme"), SIGHTS)


@each_sight
def test_nothing_is_wider_than_the_screen(look, listener, period, width, scheme):
    """Sideways scrolling on a phone hides what is on the right."""
    sight = look(listener, period, width, scheme)
    assert sight.scroll_width <= width
    assert sight.overflowing == []


@each_sight
def test_every_chart_is_drawn(look, listener, period, width, scheme):
    """A chart without marks is an empty box; and only what there is something to say of is there."""
    marks = look(listener, period, width, scheme).marks
    assert CHARTS[listener, period] <= marks.keys() <= CHARTS[listener, period] | SELDOM
    assert min(marks.values()) > 0


@each_sight
def test_the_page_asks_nobody_and_complains_of_nothing(look, listener, period, width, scheme):
    """What somebody listens to is nobody else's business; Vega's warnings would be of charts that are not right."""
    sight = look(listener, period, width, scheme)
    assert len(sight.requests) == 1
    assert sight.complaints == []
    assert sight.violations == []


@each_sight
def test_every_text_can_be_read(look, listener, period, width, scheme):
    """Contrast of at least 4.5 to 1 for all that is written, in charts and on bars too (WCAG 2.2, 1.4.3)."""
    found = look(listener, period, width, scheme).faint
    assert found["texts"] > 100
    assert found["faint"] == []


@each_sight
def test_every_chart_says_what_it_shows(look, listener, period, width, scheme):
    """Who cannot see it hears a name that says something, and finds its figures in a table."""
    charts = look(listener, period, width, scheme).charts
    assert len({chart["name"] for chart in charts}) == len(charts)
    assert all(chart["name"].startswith("Chart: ") and len(chart["name"]) > 30 for chart in charts)
    assert all(int(chart["rows"]) > 0 for chart in charts)


@pytest.fixture(scope="module")
def tab(browser: Browser, page: Callable[[str, str], Path]) -> Iterator[Tab]:
    """Robin's page on a desk in America."""
    options = {"viewport": {"width": DESK, "height": 900}, "timezone_id": "America/Los_Angeles"}
    with opened(browser, page(ROBIN, "all"), **options) as (tab, _, _):
        yield tab


def test_landmarks_and_headings(tab: Tab):
    """A screen reader finds its way: a banner, one main part, named regions, one first heading and none skipped."""
    assert tab.get_by_role("banner").count() == 1
    assert tab.get_by_role("main").count() == 1
    assert tab.get_by_role("heading", level=1).count() == 1
    regions = tab.eval_on_selector_all(
        "main section",
        "all => all.map(e => document.getElementById(e.getAttribute('aria-labelledby'))?.textContent.trim())",
    )
    assert len(regions) > 15
    assert all(regions)
    assert tab.get_by_role("img", name="Chart: The clock").count() == 1
    links = tab.get_by_role("link", name="Listens at least")
    assert "plays of at least 30 seconds" in links.first.inner_text()


def hover(tab: Tab, chart: str, mark: str) -> str:
    """The tooltip over one of a chart's marks."""
    target = tab.locator(f"[data-chart={chart}] svg {mark}").first
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    tab.mouse.move(1, 1)
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = tab.locator("#vg-tooltip-element.visible")
    tip.wait_for(timeout=5_000)
    return tip.inner_text()


def test_a_day_shows_its_figures(tab: Tab):
    """The first day of the history is that day in California too, where midnight in Greenwich is the day before."""
    said = hover(tab, "calendar", ".role-mark path")
    assert "Thu 1 Dec 2022" in said
    assert "hours" in said
    assert "complete" in said


def test_the_trend_shows_the_point_under_the_mouse(tab: Tab):
    """An area is one mark: its tooltip would show the first day wherever the mouse is."""
    chart = tab.locator("[data-chart=daily_listening] svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    said = []
    for part in (0.3, 0.8):
        tab.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)
        tip = tab.locator("#vg-tooltip-element.visible")
        tip.wait_for(timeout=5_000)
        said.append(tip.inner_text())
    assert said[0] != said[1]
    assert "mean of 7 days" in said[0]


def test_a_wheel_over_a_chart_scrolls_the_page(tab: Tab):
    """A chart that takes the wheel for itself holds the reader fast."""
    tab.locator("[data-chart=daily_listening]").hover()
    before = tab.evaluate("scrollY")
    tab.mouse.wheel(0, 400)
    until(tab, f"scrollY > {before}")


def test_the_legend_picks_out_a_class(tab: Tab):
    """A press on "lapsed" pales the other bars."""
    pale = "[data-chart=discovery_vs_returning] svg .role-mark path[opacity='0.15']"
    assert tab.locator(pale).count() == 0
    tab.locator("[data-chart=discovery_vs_returning] svg .role-legend text", has_text="lapsed").click()
    tab.wait_for_function(f'document.querySelectorAll("{pale}").length > 0', timeout=5_000)


def test_hostile_titles_run_nothing(tab: Tab):
    """A tooltip and a list show them as they are written; nothing of them is an element."""
    assert tab.locator("b, main img").count() == 0
    assert "<b>" in tab.locator("#top-artist ~ ol").inner_text()
    assert tab.locator("[data-chart=taste_by_daypart] svg").get_by_text("</script><b>bold</b>").count() == 1
    assert tab.evaluate("window.violations") == []


def test_the_policy_lets_nothing_else_run(browser: Browser, page: Callable[[str, str], Path]):
    """A script, an image or a request that came in with the data is refused by the browser itself."""
    with opened(browser, page(TOM, "all")) as (tab, requests, _):
        tab.evaluate("""async () => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const image = new Image();
          image.src = "https://example.invalid/pixel.gif";
          document.body.append(image);
          await fetch("https://example.invalid/").catch(() => {});
          document.body.insertAdjacentHTML("beforeend", "<p onclick='window.ran = true' id=trap>x</p>");
          document.getElementById("trap").click();
          await new Promise((done) => setTimeout(done, 100));
        }""")
        assert tab.evaluate("window.ran") is None
        assert {said.removesuffix("-elem").removesuffix("-attr") for said in tab.evaluate("window.violations")} == {
            "script-src",
            "img-src",
            "connect-src",
        }
        assert len(requests) == 1


def test_the_keyboard_reaches_every_definition_and_table(browser: Browser, page: Callable[[str, str], Path]):
    """Without a mouse: each link in turn, each table opened by Enter, and scrolled once it is."""
    with opened(browser, page(ANA, "all"), viewport={"width": PHONE, "height": 800}) as (tab, _, _):
        wanted = tab.evaluate(
            "() => [...document.querySelectorAll('a, summary')].map((e, at) => { e.dataset.at = at; return at; })"
        )
        reached = []
        for _ in range(len(wanted) + 5):
            tab.keyboard.press("Tab")
            at = tab.evaluate("document.activeElement.dataset.at")
            if at is not None and int(at) not in reached:
                reached.append(int(at))
        assert reached == wanted
        tab.locator("summary").first.focus()
        tab.keyboard.press("Enter")
        tab.keyboard.press("Tab")
        table = tab.get_by_role("region", name="Every day as a table")
        assert table.evaluate("e => e === document.activeElement")
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_definition_is_one_press_away(tab: Tab):
    """The link beside a heading leads to its meaning, which is then set apart."""
    tab.get_by_role("link", name="What this means: Obsessions").click()
    shown = tab.locator("#definition-obsession")
    assert "rests for 14 days" in shown.inner_text()
    until(
        tab,
        "(() => { const box = document.querySelector('#definition-obsession').getBoundingClientRect();"
        "return box.top >= 0 && box.bottom <= innerHeight; })()",
    )


def test_the_charts_follow_the_light(browser: Browser, page: Callable[[str, str], Path]):
    """Whose evening turns the screen dark does not have to load the page again."""
    with opened(browser, page(TOM, "all"), color_scheme="light") as (tab, _, complaints):
        label = "document.querySelector('[data-chart=listening_clock] .role-axis-label text').getAttribute('fill')"
        before = tab.evaluate(label)
        tab.emulate_media(color_scheme="dark")
        until(tab, f"{label} !== '{before}'")
        assert tab.locator("[data-chart=listening_clock] svg").count() == 1
        assert complaints == []


def test_without_scripts_the_words_and_tables_are_there(browser: Browser, page: Callable[[str, str], Path]):
    """A mail program's preview runs none."""
    context = browser.new_context(java_script_enabled=False)
    try:
        tab = context.new_page()
        tab.goto(page(ROBIN, "2024").as_uri())
        assert tab.get_by_role("heading", name="In plain words").is_visible()
        tab.locator("summary").first.click()
        assert tab.locator("table").first.is_visible()
    finally:
        context.close()
