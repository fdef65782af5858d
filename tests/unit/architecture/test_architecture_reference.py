"""The pages of ``docs/reference`` that are generated from the code say what the code is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from gluetune.events.search_events import JOURNAL_EVENT_ADAPTER

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "docs" / "generate"))

from pages import FOLDER, PAGES  # noqa: E402


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_that_of_the_code(name: str) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    assert page == PAGES[name](), f"docs/reference/{name} is not what the code says: run `make reference`"


@pytest.mark.parametrize("name", PAGES)
def test_every_key_field_and_flag_has_a_meaning(name: str) -> None:
    rows = re.findall(r"^\|(.*)\|$", (FOLDER / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert rows
    assert [row for row in rows for cell in row.split(" | ") if re.match(r"\s*None\b", cell)] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_page_lead_to_headings(name: str) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= headings


def test_the_page_of_mlflow_has_every_tag() -> None:
    page = (FOLDER / "mlflow-names.md").read_text(encoding="utf-8")
    code = [path.read_text() for path in (ROOT / "platform" / "gluetune" / "tracking").glob("*.py")]
    tags = {tag for text in code for tag in re.findall(r'"(gluetune\.[a-z_]+)"', text)}
    assert tags
    assert [tag for tag in sorted(tags) if f"`{tag}`" not in page] == []


def test_the_examples_of_events_are_read_as_events() -> None:
    page = (FOLDER / "events.md").read_text(encoding="utf-8")
    for line in re.findall(r"```json\n(.*)\n```", page):
        event = JOURNAL_EVENT_ADAPTER.validate_json(line)
        assert json.loads(event.model_dump_json()) == json.loads(line)
