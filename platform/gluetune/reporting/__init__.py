"""Output of a search: the plan, its progress, its results in the terminal and in ``summary.json``."""

from gluetune.reporting.class_view import describe_thresholds, print_class_report
from gluetune.reporting.confirmation import ConfirmedSearch, summarise_confirmation
from gluetune.reporting.confirmation_view import print_confirmation
from gluetune.reporting.live import LiveTable, ProgressLog
from gluetune.reporting.plan_view import print_plan
from gluetune.reporting.results_view import (
    print_batch_metrics,
    print_locations,
    print_metrics,
    print_models,
    print_results,
    row_counts,
    split_metrics,
    trial_metrics,
)
from gluetune.reporting.schema import Summary
from gluetune.reporting.summary import learning_curve, summarise, write_summary

__all__ = [
    "ConfirmedSearch",
    "LiveTable",
    "ProgressLog",
    "Summary",
    "describe_thresholds",
    "learning_curve",
    "print_batch_metrics",
    "print_class_report",
    "print_confirmation",
    "print_locations",
    "print_metrics",
    "print_models",
    "print_plan",
    "print_results",
    "row_counts",
    "split_metrics",
    "summarise",
    "summarise_confirmation",
    "trial_metrics",
    "write_summary",
]
