"""What MLflow's UI shows of a search: names, descriptions and datasets of runs, and a view of the trials.

MLflow's UI stores a shared view as a tag of the experiment; an address refers to the view by its key. This module does
not import MLflow.
"""

from __future__ import annotations

import csv
import getpass
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gluetune.events import (
    FIELD_LABELS,
    ClassScores,
    SearchPlan,
    TaskPlan,
    TrialRecord,
    deviation,
    format_epochs,
    format_params,
)
from gluetune.tasks.metrics import value_of_score
from gluetune.tracking.uris import is_server, without_login

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from gluetune.events import SearchPlan


NOTE = "mlflow.note.content"  # the tag that MLflow shows as a run's description, in Markdown
MAX_NAME_CHARS = 120  # characters; stores take 250
MAX_NOTE_CHARS = 4000  # characters; stores refuse tags of more than 5,000
DIGEST_CHARS = 16  # characters of a fingerprint; stores take 36
_SHORT = {**FIELD_LABELS, "batch_size": "bs"}
_OUTCOMES = ["true negatives", "false positives", "false negatives", "true positives"]


@dataclass(frozen=True, slots=True)
class DatasetRows:
    """Rows that a run reads, as an MLflow dataset.

    Attributes:
        name: the dataset's name in MLflow, such as ``cola-train``.
        digest: the beginning of the rows' fingerprint.
        source: description of where they come from.
        rows: how many there are.
        context: what they are used for: ``training``, ``selection`` or ``evaluation``.
    """

    name: str
    digest: str
    source: str
    rows: int
    context: str

    @property
    def source_json(self) -> str:
        """The dataset's source, as MLflow stores it."""
        return json.dumps({"description": self.source})

    @property
    def profile_json(self) -> str:
        """The dataset's profile, as MLflow stores it."""
        return json.dumps({"num_rows": self.rows})


def rows_read(task: TaskPlan) -> tuple[DatasetRows, ...]:
    """Return the training and selection rows that a task's trials read; empty if their fingerprints are unknown."""
    numbers = {"train": (task.train_rows, "training"), "selection": (task.selection_rows, "selection")}
    return tuple(_rows(task, name, *of) for name, of in numbers.items() if task.fingerprints.get(name))


def rows_scored(task: TaskPlan) -> tuple[DatasetRows, ...]:
    """Return the official development rows that a task's winner is scored on."""
    return tuple(
        _rows(task, name, rows, "evaluation") for name, rows in task.dev_rows.items() if task.fingerprints.get(name)
    )


def _rows(task: TaskPlan, split: str, rows: int, context: str) -> DatasetRows:
    return DatasetRows(f"{task.task}-{split}", task.fingerprints[split][:DIGEST_CHARS], task.source, rows, context)


def user_name() -> str:
    """Return the name of the user, which MLflow shows beside a run."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "unknown"


def run_name(trial: TrialRecord) -> str:
    """Return a trial's name with its configuration: ``cola-0007 lr 3e-4 bs 16``."""
    whole = f"{trial.name} {format_params(trial.params, ' ', _SHORT)}".rstrip()
    return whole if len(whole) <= MAX_NAME_CHARS else f"{whole[: MAX_NAME_CHARS - 1]}…"


def trial_note(trial: TrialRecord, task: TaskPlan) -> str:
    """Return the description of a trial's run: its best score and how it ended."""
    end = str(trial.status).replace("_", " ")
    if trial.best is None:
        return f"{end}; never evaluated"[:MAX_NOTE_CHARS]
    value = value_of_score(task.metric, trial.best.score)
    lines = [
        f"**{task.metric} {value:.4f}** {_chosen_by(task, trial)}, after epoch "
        f"{format_epochs(trial.best.epoch)} of {format_epochs(trial.evaluations[-1].epoch)}; {end}"
    ]
    if trial.winner is not None:
        lines += ["", f"The winner of {task.title}.{_heading(task, trial)}", *_scores(trial.winner.scores)]
    return "\n".join(lines)[:MAX_NOTE_CHARS]


def pretraining_note(trial: TrialRecord) -> str:
    """Return the description of a pre-training run: its last evaluation, how it ended, and its encoder."""
    last = trial.pretraining[-1]
    lines = [
        f"held-out masked-LM loss **{last.masked_lm_loss:.4f}**, next-sentence loss **{last.next_sentence_loss:.4f}** "
        f"after step {last.step:,} of {last.total_steps:,}; {trial.status.replace('_', ' ')}"
    ]
    if trial.encoder is not None:
        lines += ["", f"The encoder: {trial.encoder}"]
    return "\n".join(lines)[:MAX_NOTE_CHARS]


def task_note(trial: TrialRecord, task: TaskPlan) -> str:
    """Return the description of a task's run: its winner and the scores."""
    best = value_of_score(task.metric, trial.best.score) if trial.best else float("nan")
    lines = [
        f"**{task.metric} {best:.4f}** by {run_name(trial)} {_chosen_by(task, trial)} (baseline {task.baseline:.4f})"
    ]
    if trial.winner is not None and trial.winner.scores:
        lines += ["", _heading(task, trial).strip(), *_scores(trial.winner.scores)]
    return "\n".join(lines)[:MAX_NOTE_CHARS]


def _chosen_by(task: TaskPlan, trial: TrialRecord) -> str:
    """Return which rows a trial was scored on, in words."""
    if not trial.folds:
        return f"on {task.selection_rows:,} selection rows"
    spread = deviation(trial.fold_scores)
    return (
        f"{'' if spread is None else f'± {spread:.4f} '}(mean of {max(1, trial.complete_folds)} of {trial.folds} folds)"
    )


def search_note(
    plan: SearchPlan,
    winners: Mapping[str, TrialRecord],
    ended: Mapping[str, int] | None = None,
    result: Sequence[str] = (),
) -> str:
    """Return the description of a search's run: what is searched, and the winners so far.

    Args:
        plan: the search.
        winners: the scored winner by task.
        ended: number of trials by status, once the search has ended.
        result: further sentences about its result.
    """
    varied = f"{', '.join(plan.fields)} by {plan.algorithm}" if plan.fields else "one configuration"
    first = f"{plan.model}: {varied} on {', '.join(task.title for task in plan.tasks)}"
    rows = [_row(task, winners[task.task]) for task in plan.tasks if task.task in winners]
    last: list[str] = []
    if ended:
        counts = ", ".join(f"{number:,} {status.replace('_', ' ')}" for status, number in ended.items())
        trials = f"{sum(ended.values()):,} trial{'' if sum(ended.values()) == 1 else 's'}"
        last += ["", f"{trials}: {counts}."]
    last += [text for each in result for text in ("", each)]
    table = ["", "| task | metric | selection | baseline | winner |", "|---|---|---|---|---|"] if rows else []
    while rows and len("\n".join([first, *table, *rows, *last])) > MAX_NOTE_CHARS:
        rows.pop()  # of many tasks: the report has all winners
    return "\n".join([first, *table, *rows, *last])[:MAX_NOTE_CHARS]


def _row(task: TaskPlan, trial: TrialRecord) -> str:
    best = f"{value_of_score(task.metric, trial.best.score):.4f}" if trial.best else "–"
    cells = (task.title, task.metric, best, f"{task.baseline:.4f}", run_name(trial))
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def class_tables(classes: Mapping[str, ClassScores]) -> dict[str, str | bytes]:
    """Return CSV files of a winner's scores of each class, and of its confusion matrix, by file name.

    Args:
        classes: the scores by split.
    """
    files: dict[str, str | bytes] = {}
    for split, found in classes.items():
        names = list(found.support)
        columns = (found.precision, found.recall, found.f1, found.support)
        rows = [[name, *(column[name] for column in columns)] for name in names]
        files[f"classes_{split}.csv"] = _csv([["label", "precision", "recall", "f1", "rows"], *rows])
        header, table = (_OUTCOMES, found.outcomes) if found.outcomes else (names, found.confusion)
        if table:
            lines = [[name, *row] for name, row in zip(names, table, strict=True)]
            files[f"confusion_{split}.csv"] = _csv([["label", *header], *lines])
    return files


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _heading(task: TaskPlan, trial: TrialRecord) -> str:
    """Return what introduces a winner's scores; empty where it has none."""
    if trial.winner is None or not trial.winner.scores:
        return ""
    return f" On {'its' if task.own else 'generated' if task.synthetic else 'official'} rows:"


def _scores(scores: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the lines of a Markdown list."""
    yield ""
    for split, metrics in scores.items():
        yield f"- {split}: {_figures(metrics.items())}"


def _figures(metrics: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics)


KIND_TAG, TRAINING = "mlflow.experimentKind", "custom_model_development"  # set by the UI's switch "Model training"
# Kinds that MLflow has inferred; any other was set by a user.
INFERRED_KINDS = ("", "no_inferred_type", "genai_development_inferred", "custom_model_development_inferred")
VIEW_TAG = "mlflow.sharedViewState."
VIEW_KEY_CHARS = 12  # characters of the search's id
LOCAL_UI = "http://127.0.0.1:5000"  # default address of ``gluetune ui``


def view_key(search_id: str) -> str:
    """Return the key of a search's view."""
    return search_id[:VIEW_KEY_CHARS]


def runs_link(uri: str, experiment: str, search_id: str) -> str | None:
    """Address of the page with a search's trials, on the server or, for a database, on a local ``gluetune ui``.

    Args:
        uri: the store.
        experiment: the experiment's id.
        search_id: the search's id.
    """
    if uri.startswith("databricks"):
        return None
    page = without_login(uri).rstrip("/") if is_server(uri) else LOCAL_UI
    return (
        f"{page}/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={view_key(search_id)}"
    )


def save_view(client: MlflowClient, experiment: str, plan: SearchPlan, search_id: str, started: float) -> None:
    """Save the search's view as a tag of the experiment, and set the experiment's kind to model training.

    Args:
        client: client of the open store.
        experiment: the experiment's id.
        plan: the search.
        search_id: the search's id.
        started: when the search began, in seconds since the epoch.
    """
    tags = client.get_experiment(experiment).tags
    if tags.get(KIND_TAG, "") in INFERRED_KINDS:
        client.set_experiment_tag(experiment, KIND_TAG, TRAINING)
    key, value = VIEW_TAG + view_key(search_id), json.dumps(view(plan, search_id, started))
    if tags.get(key) != value:
        client.set_experiment_tag(experiment, key, value)


def view(plan: SearchPlan, search_id: str, started: float) -> dict[str, Any]:
    """Build the view: a search's trials, best first, grouped by task if there are several.

    The result holds the view's name and its state as JSON text, which the UI of MLflow 3.17 lists under *Views*, and
    beside them the fields of that state, which the UI reads for a view without a name.
    """
    several = len(plan.tasks) > 1
    columns = [f"params.`{name}`" for name in plan.fields]
    columns += ["metrics.`best_score`", "metrics.`best_score_epoch`", "attributes.`Dataset`"]
    state = {
        "searchFilter": f"tags.`gluetune.search_id` = '{search_id}' AND tags.`gluetune.level` = 'trial'",
        "orderByKey": "metrics.`best_score`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "groupBy": {"aggregateFunction": "max", "groupByKeys": [{"mode": "param", "groupByData": "task"}]}
        if several
        else None,
    }
    made = round(started * 1000)
    return {"name": f"{plan.name}: trials", "createdAt": made, "updatedAt": made, "state": json.dumps(state)} | state
