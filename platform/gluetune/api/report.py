"""The HTML report of runs: written after each search, by ``gluetune report``, and by `gluetune.report`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from gluetune.config import MODEL_FIELD, SearchSpace, StorageConfig, Value
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.events import SearchPlan, TrialRecord, winners
from gluetune.reporting import Summary, learning_curve
from gluetune.reporting.encoders import PARETO_NAME, pareto_file, pareto_front, pareto_picture
from gluetune.reporting.page import REPORT_FILE, page_of, render_page, run_report
from gluetune.reporting.page.parts import HyperparameterPlots, PlotMaker
from gluetune.reporting.recorded_runs import find_run
from gluetune.reporting.run_files import RunFiles
from gluetune.reporting.summary import CURVE_NAME, curve_file
from gluetune.storage import folder_and_name
from gluetune.storage.output_file import check_output, write_output

if TYPE_CHECKING:
    from gluetune.storage import Storage
    from gluetune.tracking import Tracker

logger = logging.getLogger(__name__)
REPORT_NAME = "report.html"  # the artifact in MLflow


def report(
    name: str,
    /,
    *others: str,
    storage_path: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
) -> str:
    """Write the HTML report of a run, also of one that another process runs at this moment.

    It is one file that needs no network: winners, plots of all trials by hyperparameter, learning curves, the lanes
    over time, and what repeats the run. A search writes its own when it ends.

    Args:
        name: the run's name, or its folder by path or URI.
        others: further runs, which the page shows side by side with the first one.
        storage_path: what contains the runs' folders, by path or URI; ``None`` for ``runs``.
        output: the file to write; ``None`` for ``report/index.html`` in the run's folder, of several runs for
            ``report_<name>_<name>.html`` in the working directory.

    Returns:
        The file, as a path or URI.

    Raises:
        StorageError: there is no such run, it cannot be read, or the file cannot be written.
        ConfigError: a run is named twice.

    Example:
        >>> gluetune.report("first").endswith("runs/first/report/index.html")
        True
    """
    path = StorageConfig().path if storage_path is None else os.fspath(storage_path)
    runs = [find_run(each, path) for each in (name, *others)]
    folders = [files.folder.uri() for files in runs]
    if twice := [files.name for files in runs if folders.count(files.folder.uri()) > 1]:
        raise ConfigError([ConfigIssue("others", f"must be other runs than the first one, but got {twice[0]} twice")])
    for files in runs:
        if files.kind == "pre-training":
            raise StorageError(
                f"a report is of searches and fine-tuning runs, but {files.name!r} is a pre-training run; "
                "gluetune show prints it, and gluetune ui has its losses"
            )
    if output is not None:
        check_output(os.fspath(output))
    page = report_page(runs)
    if output is None and len(runs) == 1:
        runs[0].folder.write(REPORT_FILE, page)
        return runs[0].folder.uri(REPORT_FILE)
    target = f"report_{'_'.join(files.name for files in runs)}.html" if output is None else os.fspath(output)
    write_output(target, page)
    folder, file = folder_and_name(target)
    return folder.uri(file)


def log_report(folder: Storage, summary: Summary, tracker: Tracker) -> None:
    """Write the report of a search that has just ended into its folder, and queue it for MLflow, also by task.

    Where this fails, one warning is logged: the search has its results.

    Args:
        folder: the search's folder.
        summary: its summary, which need not be in the folder yet.
        tracker: records the search in MLflow.
    """
    try:
        files = RunFiles(folder, summary.name)
        report = run_report(files, _plot_maker(files), summary)
        tracker.describe_result([*report.sentences, *report.compute_notes])
        page = render_page(page_of([(files, report)]))
        folder.write(REPORT_FILE, page)
        tracker.log_search_artifact(REPORT_NAME, page)
        for task in report.tasks:
            own = page if len(report.tasks) == 1 else render_page(page_of([(files, report.of(task))]))
            tracker.log_task_artifact(task, REPORT_NAME, own)
    except Exception as error:  # of Optuna, plotly or the storage
        logger.warning(f"the report could not be written ({_reason(error)}); gluetune report {summary.name} writes it")
        logger.debug("the report", exc_info=True)


def keep_pictures(folder: Storage, plan: SearchPlan, trials: Iterable[TrialRecord], tracker: Tracker) -> None:
    """Keep learning curves of the winners, and Pareto fronts, as pictures in the run's folder and in MLflow.

    Args:
        folder: the search's folder.
        plan: the search.
        trials: all its trials.
        tracker: records the search in MLflow.

    Raises:
        StorageError: a picture cannot be written.
    """
    known = list(trials)
    for trial in winners(known, [task.task for task in plan.tasks]):
        picture = learning_curve(trial)
        folder.write(curve_file(trial.task), picture)
        tracker.log_artifact(trial, CURVE_NAME, picture)
    for task in plan.tasks if len(plan.objectives) > 1 else ():
        if pareto_front(task.task, known):
            picture = pareto_picture(task, known)
            folder.write(pareto_file(task.task), picture)
            tracker.log_task_artifact(task.task, PARETO_NAME, picture)


def report_page(runs: Sequence[RunFiles], summary: Summary | None = None) -> bytes:
    """Return the report of runs as HTML.

    Args:
        runs: the folders of the runs.
        summary: the summary of the only run, where it is not in its folder yet.

    Raises:
        UserError: a run cannot be read.
    """
    return render_page(page_of([(files, run_report(files, _plot_maker(files), summary)) for files in runs]))


def _plot_maker(files: RunFiles) -> PlotMaker:
    """Return what plots the trials of a run's tasks by Optuna."""
    objectives = tuple((files.job.get("search") or {}).get("objective") or ("score",))

    def plots(
        trials: Sequence[TrialRecord], space: SearchSpace, metric: str, label: str, names: Mapping[Value, str]
    ) -> HyperparameterPlots:
        from gluetune.search.study import StudyFigures, study_figures  # imports Optuna and plotly

        try:
            return study_figures(
                trials, space, metric, metric_label=label, objectives=objectives, labels=_value_labels(names)
            )
        except Exception as error:  # of Optuna or plotly: the page has everything else
            logger.warning(f"the report has no plots of hyperparameters: {_reason(error)}")
            return StudyFigures()

    return plots


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _value_labels(names: Mapping[Value, str]) -> Callable[[str, Value], str]:
    """Return what gives a categorical value as plotly shows it: without meaning to its markup."""

    def label(field: str, value: Value) -> str:
        return escape(names.get(value, str(value)) if field == MODEL_FIELD else str(value))

    return label
