"""What a search says: at the start, while it runs, at its end, and in ``summary.json``."""

from gluetune.reporting.curve import learning_curve
from gluetune.reporting.live import LiveTable
from gluetune.reporting.metrics_table import measured_figures, print_batches, print_figures, row_counts, scored_figures
from gluetune.reporting.plan_view import print_opening
from gluetune.reporting.progress_log import RunLog
from gluetune.reporting.results_view import print_closing, print_models, print_places
from gluetune.reporting.schema import Summary
from gluetune.reporting.summary import summarise, write_summary

__all__ = [
    "LiveTable",
    "RunLog",
    "Summary",
    "learning_curve",
    "measured_figures",
    "print_batches",
    "print_closing",
    "print_figures",
    "print_models",
    "print_opening",
    "print_places",
    "row_counts",
    "scored_figures",
    "summarise",
    "write_summary",
]
