"""The pages of ``docs/reference`` that are generated from the code say what the code is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

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
    assert [row for row in rows if "None" in row or not all(cell.strip() for cell in row.split(" | ")[:2])] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_page_lead_to_headings(name: str) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= headings
