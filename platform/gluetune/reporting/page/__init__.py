"""The HTML report of recorded runs: one file that needs no network."""

from gluetune.reporting.page.parts import Page, RunReport
from gluetune.reporting.page.render import REPORT_FILE, render_page
from gluetune.reporting.page.run_report import page_of, run_report

__all__ = ["REPORT_FILE", "Page", "RunReport", "page_of", "render_page", "run_report"]
