"""Recorded trials as trials of an Optuna study, with the distributions of their search space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from gluetune.config import MODEL_FIELD, Choice, Distribution, Float, Int, SearchSpace, Value
from gluetune.events import Evaluated, TrialRecord, TrialStatus
from gluetune.tasks.metrics import greater_is_better, value_of_score

MS_PER_ROW = "ms_per_row"  # the second objective of a search
_STATES = {
    TrialStatus.RUNNING: TrialState.RUNNING,
    TrialStatus.STOPPED: TrialState.RUNNING,  # a resume continues it
    TrialStatus.FINISHED: TrialState.COMPLETE,
    TrialStatus.PRUNED: TrialState.PRUNED,
}


def value_distributions(
    space: SearchSpace, observed: Iterable[Mapping[str, Value]] = ()
) -> dict[str, BaseDistribution]:
    """Return an Optuna distribution of the values of each searched field.

    Numbers that are listed are a categorical distribution in ascending order, so that plots space them evenly. A field
    that encoders have with different values has one distribution, which contains all of them.

    Args:
        space: the search space.
        observed: configurations of trials, which may lie outside the space where a user has added them.

    Returns:
        The distributions by field, in the order of the space.
    """
    known = list(observed)
    found: dict[str, BaseDistribution] = {}
    for name in space.fields:
        if name == MODEL_FIELD:
            specs: list[Distribution] = [Choice(values=tuple(space.encoders))]
        else:
            specs = [part.space[name] for part in space.parts.values() if name in part.space]
        found[name] = _merged(specs, [params[name] for params in known if name in params])
    return found


def _merged(specs: Sequence[Distribution], observed: Sequence[Value]) -> BaseDistribution:
    """Return one distribution that contains the values of several, and values that trials had."""
    ranges = [spec for spec in specs if isinstance(spec, Float | Int)]
    listed = [value for spec in specs if isinstance(spec, Choice) for value in spec.values]
    numbers = [value for value in [*listed, *observed] if not isinstance(value, bool | str)]
    if ranges and len(numbers) == len(listed) + len(observed):
        low = min([spec.low for spec in ranges] + numbers)
        high = max([spec.high for spec in ranges] + numbers)
        log = low > 0 and all(spec.log for spec in ranges)
        if all(isinstance(value, int) for value in (low, high, *numbers)) and not any(
            isinstance(spec, Float) for spec in ranges
        ):
            return IntDistribution(int(low), int(high), log)
        return FloatDistribution(float(low), float(high), log)
    values = list(dict.fromkeys([*listed, *observed]))
    if len(numbers) == len(listed) + len(observed):
        values.sort()
    return CategoricalDistribution(values)


def study_directions(metric: str, objectives: Sequence[str]) -> list[StudyDirection]:
    """Return the directions of a task's study: that of its metric, and that of the milliseconds per row.

    Args:
        metric: the task's primary metric.
        objectives: what the search optimises.
    """
    first = StudyDirection.MAXIMIZE if greater_is_better(metric) else StudyDirection.MINIMIZE
    return [first, *([StudyDirection.MINIMIZE] if MS_PER_ROW in objectives else [])]


def study_trial(
    trial: TrialRecord,
    distributions: Mapping[str, BaseDistribution],
    metric: str,
    objectives: Sequence[str] = ("score",),
    *,
    number: int = 0,
) -> FrozenTrial:
    """Return a recorded trial as one of a task's study.

    A pruned trial has the value of its best evaluation; with two objectives, which Optuna cannot prune, it is complete.

    Args:
        trial: the trial.
        distributions: those of the study, by field.
        metric: the task's primary metric.
        objectives: what the search optimises.
        number: its number in the study.
    """
    state, values = end_of(trial, metric, objectives)
    params = {name: value for name, value in trial.params.items() if name in distributions}
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=values,
        datetime_start=_utc(trial.started),
        datetime_complete=_utc(trial.ended or trial.started) if state.is_finished() else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs=trial_attributes(trial),
        system_attrs={},
        intermediate_values=intermediate_values(trial, metric) if len(objectives) == 1 else {},
    )


def end_of(trial: TrialRecord, metric: str, objectives: Sequence[str]) -> tuple[TrialState, list[float] | None]:
    """Return the state of a trial in a study, and its values.

    Args:
        trial: the trial.
        metric: the task's primary metric.
        objectives: what the search optimises.
    """
    state = _STATES.get(trial.status, TrialState.FAIL)
    several = MS_PER_ROW in objectives
    times = [trial.ms_per_row] if several else []
    if trial.best_score is None or None in times or state is TrialState.RUNNING:
        return (TrialState.FAIL if state.is_finished() else state), None
    if several and state is TrialState.PRUNED:
        state = TrialState.COMPLETE
    known = [time for time in times if time is not None]
    return state, [value_of_score(metric, trial.best_score), *known]


def intermediate_values(trial: TrialRecord, metric: str) -> dict[int, float]:
    """Return the metric of each evaluation that is a number, by step; of a cross-validation, by evaluation."""
    known = [each for each in trial.all_evaluations if each.score == each.score]
    return {evaluation_step(each): value_of_score(metric, each.score) for each in known}


def evaluation_step(event: Evaluated) -> int:
    """Return the step at which a study has an evaluation: that of a fold counts the evaluations of earlier folds."""
    return event.step if event.fold is None else event.index


def trial_attributes(trial: TrialRecord) -> dict[str, Any]:
    """Return what a study holds of a trial beside its parameters: name, seed, and why it did not finish."""
    found: dict[str, Any] = {"trial": trial.name, "seed": trial.seed, "status": str(trial.status)}
    if trial.message:
        found["message"] = trial.message.splitlines()[0]
    return found


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
