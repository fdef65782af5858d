"""MLflow's UI in a headless Chromium, used by clicks as its reader uses it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PATIENCE_MS = 120_000  # a page is megabytes of scripts
GLANCE_MS = 4_000
SIZE = {"width": 1280, "height": 760}


def chromium() -> str | None:
    """Debian's browser; nothing is downloaded."""
    return shutil.which("chromium")


@contextmanager
def browsing(user: str, password: str) -> Iterator[Page]:
    """A page of a new browser, logged in, that reaches nothing but this machine."""
    from playwright.sync_api import sync_playwright

    local = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=local)
        try:
            context = browser.new_context(
                http_credentials={"username": user, "password": password},
                viewport={"width": SIZE["width"], "height": SIZE["height"]},
            )
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            yield page
        finally:
            browser.close()


def open_experiment(page: Page, uri: str, name: str) -> None:
    """From the start page to an experiment's runs."""
    page.goto(uri)
    page.get_by_text("Model training", exact=True).click()  # MLflow begins on its pages for language-model applications
    with suppress(Exception):
        page.get_by_role("button", name="Close").click(timeout=GLANCE_MS)  # the assistant, which opens by itself once
    page.goto(f"{uri}/#/experiments")
    page.get_by_role("link", name=name, exact=True).first.click()
    page.wait_for_url("**/runs*")
    row(page, name).wait_for()


def row(page: Page, run: str) -> Locator:
    """A run's row in the table."""
    return page.locator("[role=row]", has=page.get_by_role("link", name=run, exact=True)).first


def unfold(page: Page, run: str, child: str) -> None:
    """Show a run's children, if they are not shown yet."""
    row(page, run).wait_for()
    with suppress(Exception):
        row(page, child).wait_for(timeout=GLANCE_MS)
        return
    row(page, run).locator("button").first.click()
    row(page, child).wait_for()


def compare(page: Page, runs: Sequence[str]) -> None:
    """Ticks runs and opens their comparison."""
    for run in runs:
        row(page, run).locator("input.ag-checkbox-input").check()
    page.get_by_role("button", name="Compare").click()
    page.locator("svg .axis-title").first.wait_for()


def axes(page: Page) -> list[str]:
    """Titles of the chart's axes, from left to right."""
    titles = page.locator("svg .axis-title").all()
    return [text for title in titles if (text := title.text_content())]
