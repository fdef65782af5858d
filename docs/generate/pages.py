"""The generated pages of ``docs/reference``, by file name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from commands_page import commands_page
from job_file_page import job_file_page
from summary_page import summary_page

FOLDER = Path(__file__).resolve().parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "job-file.md": job_file_page,
    "summary.md": summary_page,
}


def write_pages() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
