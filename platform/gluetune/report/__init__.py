"""What a search says: at the start, while it runs, at its end, and in ``summary.json``."""

from gluetune.report.closing import print_closing
from gluetune.report.live import LiveTable
from gluetune.report.opening import print_opening
from gluetune.report.schema import Summary
from gluetune.report.summary import summarise, write_summary

__all__ = ["LiveTable", "Summary", "print_closing", "print_opening", "summarise", "write_summary"]
