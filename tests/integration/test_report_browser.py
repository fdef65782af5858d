"""The HTML report of a thousand trials in a headless Chromium: what a reader sees, on a desk and on a phone.

With ``GLUETUNE_SCREENSHOTS=docs/images`` the pictures of the documentation are written there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gluetune.api.report import report
from large_search import write_large_search

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
PATIENCE_MS = 120_000  # a busy machine
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 812}
TRIALS = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two searches, with the report of one and of both."""
    root = tmp_path_factory.mktemp("runs")
    for name, trials, seed in (("first", TRIALS, 0), ("second", 120, 1)):
        write_large_search(root, name, trials, seed)
    report("first", storage_path=root, output=root / "first.html")
    report("first", "second", storage_path=root, output=root / "both.html")
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's browser, which reaches no other machine; nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page, with the requests that it made and the errors that its scripts raised or logged."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page, self.requests, self.errors = page, list[str](), list[str]()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.goto(file.as_uri())

    def draw_all(self) -> int:
        """Scroll through the page until every plot is drawn; return how many there are."""
        plots = self.page.locator(".plot")
        for number in range(plots.count()):
            plots.nth(number).scroll_into_view_if_needed()
            self.page.locator(f"#plot-{number + 1}[data-drawn]").wait_for()
        return plots.count()


@pytest.fixture
def watched(browser: Browser, folder: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """The report, in a window of its own; the test's parameters are settings of the window."""
    settings: dict[str, Any] = {"viewport": DESK} | getattr(request, "param", {})
    file = folder / settings.pop("file", "first.html")
    context = browser.new_context(**settings)
    watched = Watched(context.new_page(), file)
    yield watched
    context.close()
    assert watched.errors == []
    assert {url for url in watched.requests if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


def overflow(page: Page) -> float:
    """Pixels by which the page is wider than its window."""
    return float(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def picture(page: Page, name: str, tmp_path: Path) -> Path:
    """Take a picture of what is in view, as a small file of few colours."""
    from PIL import Image  # of matplotlib

    file = Path(os.environ.get("GLUETUNE_SCREENSHOTS", tmp_path)) / name
    page.screenshot(path=file)
    whole = Image.open(file).convert("RGB")
    whole.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_thousand_trials_are_drawn(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    times = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"load event after {times:.0f} ms, {(Path(page.url.removeprefix('file://')).stat().st_size) / 1e6:.2f} MB")
    assert times > 0
    assert page.get_by_role("table").first.get_by_role("rowheader", name="CoLA").is_visible()
    assert watched.draw_all() > 20
    assert page.locator(".plot .main-svg").count() > 20
    assert overflow(page) == 0
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(
        "for (const each of document.querySelectorAll('dd')) if (each.textContent.startsWith('/')) "
        "each.textContent = '/home/me/runs/first'"
    )
    assert picture(page, "report.png", tmp_path).stat().st_size > 10_000
    page.get_by_role("heading", name="Importances and interactions").first.scroll_into_view_if_needed()
    page.evaluate("scrollBy(0, 400)")
    assert picture(page, "report_plots.png", tmp_path).stat().st_size > 10_000


@pytest.mark.parametrize("watched", [{"viewport": PHONE, "has_touch": True, "device_scale_factor": 1}], indirect=True)
def test_a_phone_shows_all_of_it_without_scrolling_sideways(watched: Watched, tmp_path: Path) -> None:
    assert overflow(watched.page) == 0
    watched.draw_all()
    assert overflow(watched.page) == 0
    watched.page.get_by_role("heading", name="Learning curves").first.scroll_into_view_if_needed()
    picture(watched.page, "report_phone.png", tmp_path)


@pytest.mark.parametrize(
    ("watched", "dark"),
    [({"color_scheme": "light"}, False), ({"color_scheme": "dark"}, True)],
    indirect=["watched"],
)
def test_light_and_dark_follow_the_system_and_the_button(watched: Watched, dark: bool, tmp_path: Path) -> None:
    page = watched.page
    button = page.get_by_role("button", name="Dark theme")
    before = background(page)
    assert (sum(map(int, re.findall(r"\d+", before)[:3])) < 380) is dark
    assert button.get_attribute("aria-pressed") == str(dark).lower()
    page.locator("#plot-1").scroll_into_view_if_needed()
    page.locator("#plot-1[data-drawn]").wait_for()
    if dark:
        page.get_by_role("heading", name="Learning curves").first.scroll_into_view_if_needed()
        page.evaluate("scrollBy(0, 500)")
        page.locator(".plot[data-drawn] .legend").first.wait_for()
        picture(page, "report_dark.png", tmp_path)
    button.click()
    assert background(page) != before
    assert button.get_attribute("aria-pressed") == str(not dark).lower()
    page.reload()
    assert background(page) != before, "the choice is remembered"


def test_the_keyboard_reaches_everything(watched: Watched) -> None:
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    assert page.get_by_text("Skip to the results").is_visible()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.evaluate("document.activeElement.closest('main') !== null")
    assert (outline, inside) == ("solid", True)
    summary = page.locator("details summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1


@pytest.mark.parametrize("watched", [{"file": "both.html"}], indirect=True)
def test_two_runs_are_drawn_side_by_side(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    page.get_by_role("heading", name="Score by hyperparameter").first.scroll_into_view_if_needed()
    first, second = (page.locator("h4", has_text=name).first.bounding_box() for name in ("first", "second"))
    assert first is not None
    assert second is not None
    assert first["y"] == second["y"]
    assert first["x"] < second["x"]
    watched.draw_all()
    assert overflow(page) == 0


@pytest.mark.parametrize("watched", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_the_tables_hold_the_results(watched: Watched) -> None:
    assert watched.page.locator("#no-plots").is_visible()
    watched.page.get_by_text(f"{TRIALS // 2} trials, best first").first.click()
    assert watched.page.get_by_role("cell", name="pruned").first.is_visible()
