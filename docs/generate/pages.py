"""The generated pages of ``docs/reference``, by file name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api_page import api_page
from commands_page import commands_page
from events_page import events_page
from exit_codes_page import exit_codes_page
from job_file_page import job_file_page
from mlflow_page import mlflow_page
from space_page import space_page
from summary_page import summary_page

FOLDER = Path(__file__).resolve().parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "exit-codes.md": exit_codes_page,
    "job-file.md": job_file_page,
    "mlflow-names.md": mlflow_page,
    "search-space-file.md": space_page,
    "summary.md": summary_page,
}


def write_pages() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
