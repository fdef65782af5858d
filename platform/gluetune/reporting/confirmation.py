"""The confirmation of a search as numbers: scores over fresh seeds, their intervals, and tests between configurations.

Scores are those of rows that chose nothing, where a task has such rows. The search's own score of a configuration, by
which it was chosen among many, is set beside that of the fresh seeds on the same selection rows.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gluetune.config import JobConfig, SearchSpace
from gluetune.errors import ConfigError
from gluetune.events import (
    SELECTION,
    ConfirmedConfiguration,
    TaskPlan,
    TrialRecord,
    configuration_key,
    confirmed_configurations,
    load_outputs,
    seed_name,
)
from gluetune.reporting.confirmation_schema import (
    ConfirmationSeed,
    ConfirmationSummary,
    ConfirmationTest,
    ConfirmedConfigurationSummary,
    ConfirmedTask,
)
from gluetune.reporting.confirmation_words import sentences
from gluetune.reporting.progress import busy_seconds
from gluetune.statistics import (
    Interval,
    PairedTest,
    SeedOutputs,
    bootstrap_interval,
    holm,
    paired_test,
    resample_seeds,
    resamples_at_once,
    summarise_seeds,
)
from gluetune.storage import Storage
from gluetune.tasks import Task, scored_task
from gluetune.tasks.metrics import score_sign, value_of_score

logger = logging.getLogger(__name__)
_LEVEL = 0.05
_RESAMPLES, _FEW_RESAMPLES = 2000, 500  # few of metrics that are computed on one resample after another
_TEST = "test"  # the split that goes before others where a task has several
_Against = Literal["second", "default"]


@dataclass(frozen=True)
class ConfirmedSearch:
    """What the summary of a confirmation is computed from.

    Attributes:
        job: the search's job, with ``confirm``.
        space: its search space.
        plans: its tasks.
        tasks: the same tasks with their metrics, by name.
        trials: the trials of the search.
        runs: the trials of the confirmation.
        folder: the confirmation's folder, with the outputs of its trials.
    """

    job: JobConfig
    space: SearchSpace
    plans: Iterable[TaskPlan]
    tasks: Mapping[str, Task]
    trials: Iterable[TrialRecord]
    runs: Iterable[TrialRecord]
    folder: Storage


def summarise_confirmation(search: ConfirmedSearch) -> ConfirmationSummary | None:
    """Compute the summary of a confirmation.

    Args:
        search: the search and its confirmation.

    Returns:
        The summary; ``None`` where nothing was confirmed.

    Raises:
        StorageError: the outputs of a trial are missing or damaged.
    """
    runs, confirm = sorted(search.runs, key=lambda run: run.number), search.job.confirm
    if confirm is None or not runs:
        return None
    trials = {trial.number: trial for trial in search.trials}
    parts = [_confirmed(plan, search, trials, runs, confirm.top) for plan in search.plans]
    known = [part for part in parts if part.configurations]
    for part in known:
        if not resamples_at_once(part.plan.metric):
            logger.info(f"{part.plan.title}: computing intervals and tests of {part.plan.metric} …")
    tasks = _with_tests(known)
    return ConfirmationSummary(
        top=confirm.top,
        seeds=confirm.seeds,
        complete=all(
            sum(run.status.final for run in of_one.runs) >= confirm.seeds
            for part in known
            for of_one in part.configurations
        ),
        seconds=sum(map(busy_seconds, runs)),
        default=_describe_default(search.space),
        tasks=tasks,
        sentences=list(sentences(tasks)),
    )


@dataclass(frozen=True)
class _Configuration:
    """A configuration with the trials that have trained it again, and the outputs of those that were scored.

    Attributes:
        chosen: the configuration.
        trial: the search's trial of it; ``None`` where there is none.
        runs: the trials that have trained it again.
        outputs: outputs of those that were scored.
        drawn: their metric on resampled rows, by its name, which intervals and tests share.
    """

    chosen: ConfirmedConfiguration
    trial: TrialRecord | None
    runs: list[TrialRecord]
    outputs: SeedOutputs | None
    drawn: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def resampled(self, outputs: SeedOutputs, metric: str) -> NDArray[np.float64]:
        """Return the metric on resampled rows, [resamples, seeds], which is computed once."""
        if metric not in self.drawn:
            self.drawn[metric] = resample_seeds(outputs, metric, resamples=_resamples(metric))
        return self.drawn[metric]


@dataclass(frozen=True)
class _Task:
    plan: TaskPlan
    split: str
    configurations: list[_Configuration]


def _confirmed(
    plan: TaskPlan, search: ConfirmedSearch, trials: Mapping[int, TrialRecord], runs: list[TrialRecord], top: int
) -> _Task:
    chosen = confirmed_configurations(trials.values(), plan.task, search.space, search.job.training, top)
    split = scored_split(plan)
    task = scored_task(search.tasks[plan.task], split)
    configurations = []
    for each in chosen:
        own = [run for run in runs if run.task == plan.task and configuration_key(run.training, run.model) == each.key]
        trial = None if each.trial is None else trials[each.trial]
        configurations.append(_Configuration(each, trial, own, _outputs(own, task, split, search.folder)))
    return _Task(plan, split, configurations)


def scored_split(task: TaskPlan) -> str:
    """Return the split on which fresh seeds are compared: test or development rows that did not choose the winner.

    Args:
        task: the task; its fingerprints say which rows are the selection rows.

    Returns:
        ``test``, or the first development split; ``selection`` where there is none that chose nothing.
    """
    chose = task.fingerprints.get(SELECTION)
    others = [split for split in task.dev_rows if chose is None or task.fingerprints.get(split) != chose]
    return _TEST if _TEST in others else next(iter(others), SELECTION)


def _outputs(runs: list[TrialRecord], task: Task, split: str, folder: Storage) -> SeedOutputs | None:
    """Return what the models of all scored seeds say of a split; ``None`` where there are none."""
    found = [load_outputs(folder, run.scored.outputs) for run in runs if run.scored is not None]
    rows = [outputs[split] for outputs in found if split in outputs]
    if not rows:
        return None
    halves = np.full(task.num_labels, 0.5)
    tuned = any(each.thresholds is not None for each in rows)
    thresholds = tuple(halves if each.thresholds is None else each.thresholds for each in rows) if tuned else ()
    return SeedOutputs(task, np.stack([each.logits for each in rows]), rows[0].labels, thresholds)


def _configuration(of: _Configuration, metric: str, split: str) -> ConfirmedConfigurationSummary:
    values = [_value(run, metric, split) for run in of.runs]
    fresh = [value_of_score(metric, run.best_score) for run in of.runs if run.scored and run.best_score is not None]
    best = None if of.trial is None or of.trial.best_score is None else value_of_score(metric, of.trial.best_score)
    mean = float(np.mean(fresh)) if fresh else None
    known = [value for value in values if value is not None and math.isfinite(value)]
    spread = summarise_seeds(known) if known else None
    interval = _interval(of, metric)
    return ConfirmedConfigurationSummary(
        params=of.chosen.params,
        trial=None if of.trial is None else of.trial.name,
        rank=of.chosen.rank,
        default=of.chosen.is_default,
        mean=spread.mean if spread else None,
        standard_deviation=spread.standard_deviation if spread else None,
        minimum=spread.minimum if spread else None,
        maximum=spread.maximum if spread else None,
        scored=len(known),
        failed=sum(run.status.final and run.scored is None for run in of.runs),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        interval_method=interval.method if interval else None,
        search_selection=best,
        fresh_selection=mean,
        selection_bias=None if best is None or mean is None else score_sign(metric) * (best - mean),
        seeds=[_seed(run, metric, split) for run in of.runs],
    )


def _interval(of: _Configuration, metric: str) -> Interval | None:
    """Return the interval of the mean; ``None`` where the metric is a function of the user that refuses a resample."""
    if of.outputs is None:
        return None
    try:
        drawn = of.resampled(of.outputs, metric)
        return bootstrap_interval(of.outputs, metric, resamples=_resamples(metric), drawn=drawn)
    except ConfigError as error:
        logger.warning(f"{of.chosen.task}: a configuration has no interval: {error}")
        return None


def _resamples(metric: str) -> int:
    return _RESAMPLES if resamples_at_once(metric) else _FEW_RESAMPLES


def _value(run: TrialRecord, metric: str, split: str) -> float | None:
    if run.scored is None:
        return None
    scores = run.scored.selection_scores if split == SELECTION else run.scored.scores.get(split, {})
    return scores.get(metric)


def _seed(run: TrialRecord, metric: str, split: str) -> ConfirmationSeed:
    by_split = {SELECTION: run.scored.selection_scores} | run.scored.scores if run.scored else {}
    return ConfirmationSeed(
        name=seed_name(run),
        seed=run.seed,
        status=str(run.status),
        message=run.message,
        value=_value(run, metric, split),
        selection=None if run.best_score is None else value_of_score(metric, run.best_score),
        scores={name: dict(values) for name, values in by_split.items()},
        seconds=busy_seconds(run),
    )


def _with_tests(tasks: list[_Task]) -> list[ConfirmedTask]:
    """Return the tasks with their tests, whose p-values are corrected for the number of tasks."""
    tests: dict[_Against, dict[str, PairedTest]] = {"second": {}, "default": {}}
    for part in tasks:
        for against, test in _tests(part):
            tests[against][part.plan.task] = test
    adjusted = {
        against: holm({task: test.p_value for task, test in of_tasks.items()}) for against, of_tasks in tests.items()
    }
    return [
        ConfirmedTask(
            task=part.plan.task,
            title=part.plan.title,
            metric=part.plan.metric,
            split=part.split,
            rows=part.plan.selection_rows if part.split == SELECTION else part.plan.dev_rows[part.split],
            chose_nothing=part.split != SELECTION,
            configurations=[_configuration(each, part.plan.metric, part.split) for each in part.configurations],
            tests=[
                _test(against, of_tasks[part.plan.task], adjusted[against][part.plan.task])
                for against, of_tasks in tests.items()
                if part.plan.task in of_tasks
            ],
        )
        for part in tasks
    ]


def _tests(part: _Task) -> Iterator[tuple[_Against, PairedTest]]:
    """Test the first configuration against the second one and against the default, where both were scored."""
    first, *others = part.configurations
    for other in others:
        kinds: list[_Against] = ["second"] if other.chosen.rank == 2 and other is others[0] else []
        kinds += ["default"] if other.chosen.is_default else []
        if not kinds or first.outputs is None or other.outputs is None:
            continue
        try:
            metric = part.plan.metric
            drawn = first.resampled(first.outputs, metric), other.resampled(other.outputs, metric)
            test = paired_test(first.outputs, other.outputs, metric, resamples=_resamples(metric), drawn=drawn)
        except ConfigError as error:  # the metric is a function of the user that refuses a resample
            logger.warning(f"{part.plan.task}: the best configuration is not tested against another one: {error}")
            continue
        yield from ((kind, test) for kind in kinds)


def _test(against: _Against, test: PairedTest, adjusted: float) -> ConfirmationTest:
    significant = adjusted < _LEVEL
    return ConfirmationTest(
        against=against,
        difference=test.difference,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        adjusted_p_value=adjusted,
        method=test.method,
        interval_method=test.interval_method,
        verdict=("better" if test.first_is_better else "worse") if significant else "no difference",
    )


def _describe_default(space: SearchSpace) -> str:
    parts = list(space.parts.values())
    if not space.fields:
        return "none: the search space varies nothing"
    if all(part.points for part in parts):
        return f"the first point of the search space {space.name}" + (", of each encoder" if space.encoders else "")
    return f"the first trial of each task, because the search space {space.name} names no points"
