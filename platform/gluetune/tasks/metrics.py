"""Metrics by name, as scikit-learn and SciPy compute them: which fit a task, their direction and their values.

Trials are ranked by a *score* of which more is always better: the value of the task's primary metric, with its sign
changed where less is better (``score_sign``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gluetune.errors import ConfigError, ConfigIssue, did_you_mean
from gluetune.tasks import decision_metrics as decisions
from gluetune.tasks import own_metrics
from gluetune.tasks import score_metrics as scores
from gluetune.tasks.decision_metrics import DecisionMetric
from gluetune.tasks.outputs import Outputs
from gluetune.tasks.task import Problem, Task


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        compute: returns its value.
        problems: the problems that it fits.
        two_classes: whether it is of the second of two classes and so fits no other single-label task.
        greater_is_better: whether more is better.
        of_counts: computes it from counts; ``None`` where it is not a metric of decisions.
        redundant: whether it equals the accuracy of every single-label task, and is recorded only where it is named.
    """

    compute: Callable[[Outputs], float]
    problems: tuple[Problem, ...]
    two_classes: bool = False
    greater_is_better: bool = True
    of_counts: DecisionMetric | None = None
    redundant: bool = False

    def fits(self, problem: Problem, num_labels: int) -> bool:
        """Whether it can be computed for a task.

        Args:
            problem: what the task's labels are.
            num_labels: number of the task's classes.
        """
        return problem in self.problems and (problem != "single_label" or not self.two_classes or num_labels == 2)


_SINGLE: tuple[Problem, ...] = ("single_label",)
_CLASSES: tuple[Problem, ...] = ("single_label", "multi_label")
_NUMBERS: tuple[Problem, ...] = ("regression",)


def _decision(
    of_counts: DecisionMetric, problems: tuple[Problem, ...] = _CLASSES, *, two: bool = False, redundant: bool = False
) -> Metric:
    return Metric(lambda outputs: of_counts(outputs.counts), problems, two, True, of_counts, redundant)


def _probability(
    single: scores.ProbabilityMetric, multi: scores.ProbabilityMetric, *, greater: bool = True, second: bool = True
) -> Metric:
    """Return a metric of probabilities; with ``second``, of two classes it takes those of the second one alone."""

    def compute(outputs: Outputs) -> float:
        labels, probabilities = outputs.indicators, outputs.probabilities
        if second:
            labels, probabilities = outputs.of_second_class(labels), outputs.of_second_class(probabilities)
        return (multi if outputs.task.multi_label else single)(labels, probabilities)

    return Metric(compute, _CLASSES, greater_is_better=greater)


def _brier(labels: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> float:
    one_column = labels.shape[1] == 1
    kind = scores.squared_error_of_probabilities if one_column else scores.squared_error_of_classes
    return kind(labels, probabilities)


def _number(metric: scores.NumberMetric, *, greater: bool = True) -> Metric:
    return Metric(lambda outputs: metric(outputs.predictions, outputs.labels), _NUMBERS, greater_is_better=greater)


def _mean(first: Metric, second: Metric) -> Metric:
    return Metric(lambda outputs: (first.compute(outputs) + second.compute(outputs)) / 2, first.problems)


_PEARSON, _SPEARMAN = _number(scores.pearson), _number(scores.spearman)

METRICS: dict[str, Metric] = {
    "accuracy": _decision(decisions.accuracy),
    "balanced_accuracy": _decision(decisions.balanced_accuracy, _SINGLE),
    "f1": _decision(decisions.f1, _SINGLE, two=True),
    "precision": _decision(decisions.precision, _SINGLE, two=True),
    "recall": _decision(decisions.recall, _SINGLE, two=True),
    **{
        f"{name}_{kind}": _decision(average(name), redundant=kind == "micro")
        for name in ("f1", "precision", "recall")
        for kind, average in (("macro", decisions.macro), ("micro", decisions.micro), ("weighted", decisions.weighted))
    },
    "accuracy_and_f1": _decision(decisions.accuracy_and_f1, _SINGLE, two=True),
    "matthews_correlation": _decision(decisions.matthews_correlation, _SINGLE),
    "roc_auc": _probability(scores.roc_auc, scores.roc_auc),
    "average_precision": _probability(scores.average_precision, scores.average_precision),
    "log_loss": _probability(scores.log_loss, scores.binary_log_loss, greater=False, second=False),
    "brier": _probability(_brier, scores.squared_error_of_probabilities, greater=False),
    "pearson": _PEARSON,
    "spearman": _SPEARMAN,
    "pearson_and_spearman": _mean(_PEARSON, _SPEARMAN),
    "r2": _number(scores.r2),
    "mse": _number(scores.mse, greater=False),
    "mae": _number(scores.mae, greater=False),
}
_MEANS = ("accuracy_and_f1", "pearson_and_spearman")  # GLUE's; recorded only where they are named


def metrics_for(problem: Problem, num_labels: int, primary: str = "") -> tuple[str, ...]:
    """Return the names of the metrics that are recorded for a task of the user: all that fit.

    Args:
        problem: what its labels are.
        num_labels: number of its classes.
        primary: the metric that ranks trials, which comes first; empty for `default_metric`.
    """
    fitting = [
        name
        for name, metric in METRICS.items()
        if metric.fits(problem, num_labels)
        and name not in _MEANS
        and not (metric.redundant and problem == "single_label")
    ]
    return tuple(dict.fromkeys((primary or default_metric(problem), *fitting)))


def default_metric(problem: Problem) -> str:
    """Return the metric that ranks trials of a task of the user that names none.

    Args:
        problem: what its labels are.
    """
    return "pearson" if problem == "regression" else "f1_macro"


def check_metric(name: str, problem: Problem | None = None, num_labels: int = 0) -> str:
    """Check that a metric can rank the trials of a task.

    Args:
        name: a key of `METRICS`, or a function of the user, see `gluetune.tasks.own_metrics`, which is imported.
        problem: what the task's labels are; ``None`` where it is not known yet.
        num_labels: number of its classes.

    Returns:
        The rule and what is wrong; empty text where nothing is.
    """
    if own_metrics.is_own(name):
        try:
            own_metrics.import_metric(name)
        except ConfigError as error:
            return error.issues[0].message
        return ""
    if name not in METRICS:
        fitting = METRICS if problem is None else metrics_for(problem, num_labels)
        near = did_you_mean(name, METRICS)
        return f"must be one of {', '.join(fitting)}, or your own module:function, but got {name!r}{near}"
    if problem is None or METRICS[name].fits(problem, num_labels):
        return ""
    kind = {"single_label": f"{num_labels} classes", "multi_label": "several labels per row", "regression": "numbers"}
    return (
        f"must fit labels that are {kind[problem]}, but got {name!r}; these do: "
        f"{', '.join(metrics_for(problem, num_labels))}"
    )


def greater_is_better(name: str) -> bool:
    """Whether more of a metric is better.

    Args:
        name: a key of `METRICS`, a function of the user, or another name, for which it is.
    """
    if own_metrics.is_own(name):
        return not own_metrics.is_minimised(name)
    return name not in METRICS or METRICS[name].greater_is_better


def score_sign(name: str) -> int:
    """Return the factor between a metric's value and the score that trials are ranked by: 1, or -1 if less is better.

    Args:
        name: a key of `METRICS`, or a function of the user.
    """
    return 1 if greater_is_better(name) else -1


def value_of_score(name: str, score: float) -> float:
    """Return the metric's value of a score that trials are ranked by.

    Args:
        name: the metric.
        score: the score, of which more is better.
    """
    return score_sign(name) * score


def compute_metrics(
    task: Task, logits: np.ndarray, labels: np.ndarray, thresholds: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """Compute all metrics of a task.

    Args:
        task: names the metrics.
        logits: ``[rows, num_labels]``, finite.
        labels: ``[rows]`` class ids, or scores for regression; ``[rows, num_labels]`` 0 and 1 for multi-label.
        thresholds: see `gluetune.tasks.outputs.predicted_classes`.

    Returns:
        Values by metric name, in the task's order. All are finite: constant predictions give correlations of 0.0; see
        `gluetune.tasks.decision_metrics` and `gluetune.tasks.score_metrics` for classes without rows.

    Raises:
        ConfigError: a function of the user raised an exception, or returned something else than a finite number.
    """
    outputs = Outputs(task, logits, labels, thresholds)
    return {name: metric_value(name, outputs) for name in task.metrics}


def metric_value(name: str, outputs: Outputs) -> float:
    """Compute one metric.

    Args:
        name: a key of `METRICS`, or a function of the user.
        outputs: labels and the model's outputs.

    Raises:
        ConfigError: a function of the user raised an exception, or returned something else than a finite number.
    """
    if name in METRICS:
        return METRICS[name].compute(outputs)
    try:
        return _own_value(name, outputs)
    except ConfigError as error:
        keys = ("tasks", outputs.task.name, "metric")
        raise ConfigError([ConfigIssue.at(keys, issue.message) for issue in error.issues]) from error


def _own_value(name: str, outputs: Outputs) -> float:
    labels = outputs.labels.astype(np.int64) if outputs.task.multi_label else outputs.labels
    if not outputs.task.regression and own_metrics.takes_probabilities(name):
        shown = outputs.of_second_class(outputs.probabilities)
        return own_metrics.call_metric(name, labels, shown[:, 0] if shown.shape[1] == 1 else shown)
    predictions = outputs.predictions.astype(np.int64) if outputs.task.multi_label else outputs.predictions
    return own_metrics.call_metric(name, labels, predictions)


def baseline_score(task: Task, labels: np.ndarray) -> float:
    """Compute the primary metric of a constant prediction.

    Of a classification it is the majority class, with the classes' shares of the rows as probabilities; of a
    multi-label task the classes that most rows have; of a regression the mean.

    Args:
        task: names the primary metric.
        labels: ``[rows]`` class ids, or scores for regression; ``[rows, num_labels]`` 0 and 1 for multi-label.
    """
    return metric_value(task.primary, Outputs(task, _constant_logits(task, labels), labels))


def _constant_logits(task: Task, labels: np.ndarray) -> np.ndarray:
    """Return the [rows, num_labels] logits of the constant prediction."""
    if task.regression:
        return np.full((len(labels), 1), labels.mean())
    with np.errstate(divide="ignore"):
        if task.multi_label:
            shares = labels.mean(axis=0, dtype=np.float64)
            constant = np.log(shares) - np.log1p(-shares)
        else:
            constant = np.log(np.bincount(labels, minlength=task.num_labels) / len(labels))
    return np.tile(constant, (len(labels), 1))
