"""Rules between the training settings of a job and the labels of its tasks: loss, class weights, sampler, smoothing."""

from __future__ import annotations

from collections.abc import Iterator

from gluetune.config.equivalence import possible_values
from gluetune.config.space import SearchSpace, Value
from gluetune.config.training import TrainingConfig
from gluetune.errors import ConfigIssue, did_you_mean
from gluetune.tasks.task import Problem, Task

LOSSES: dict[Problem, tuple[str, ...]] = {
    "single_label": ("auto", "cross_entropy", "focal"),
    "multi_label": ("auto", "bce", "focal"),
    "regression": ("auto", "mse"),
}
"""The values of ``training.loss`` that fit a task, by what its labels are."""
_LABELS: dict[Problem, str] = {
    "single_label": "one label per row",
    "multi_label": "several labels per row",
    "regression": "numbers as labels",
}
_OFF: dict[str, Value] = {"class_weights": "none", "label_smoothing": 0.0, "sampler": "shuffle"}
"""The values of the settings of classes that change nothing, the only ones that fit a regression."""


def loss_issues(task: Task, space: SearchSpace, training: TrainingConfig) -> Iterator[ConfigIssue]:
    """Find the training settings of a job that do not fit the labels of a task.

    Args:
        task: the task; the labels of one of the user's own are known only after its rows are read.
        space: the search space.
        training: the job's settings beside it.
    """
    fixed = space.resolve(training)
    for field in ("loss", *_OFF):
        keys, subject = (
            (("search", "space"), f"{field} in search space {space.name!r}")
            if field in space.space
            else (("training", field), "")
        )
        for value in possible_values(space, fixed, field):
            if rule := _broken_rule(task, field, value):
                yield ConfigIssue.at(keys, f"{subject} {rule}".lstrip())
                break


def _broken_rule(task: Task, field: str, value: Value | None) -> str:
    """Return the rule that a value breaks and the value; empty text where it breaks none."""
    labels = f"for {task.name}, which has {_LABELS[task.problem]}"
    fitting = LOSSES[task.problem]
    if field == "loss":
        return "" if value in fitting else f"must be one of {', '.join(fitting)} {labels}, but got {value!r}"
    if task.regression:
        off = _OFF[field]
        return "" if value == off else f"must be {off} {labels}, but got {value!r}"
    return _unknown_label(task, str(value)) if field == "class_weights" else ""


def _unknown_label(task: Task, value: str) -> str:
    named = TrainingConfig(class_weights=value).label_weights or {}
    unknown = next((label for label in named if label not in task.labels), None)
    if unknown is None:
        return ""
    near = did_you_mean(unknown, task.labels)
    return f"must name labels of {task.name} ({_shortened(task.labels)}), but got {unknown!r}{near}"


def _shortened(labels: tuple[str, ...], most: int = 8) -> str:
    shown = ", ".join(labels[:most])
    return shown if len(labels) <= most else f"{shown}, … and {len(labels) - most} more"
