"""Optuna's plots of a task's recorded trials: slices, importances, contours and the Pareto front, as plotly figures."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from gluetune.config import SearchSpace, Value
from gluetune.events import TrialRecord, TrialStatus
from gluetune.search.study.trials import study_directions, study_trial, value_distributions

Figure = dict[str, Any]
"""A plotly figure: ``data`` and ``layout``."""
MIN_TRIALS = 4  # of evaluated trials, below which importances and contours say nothing
_CONTOUR_FIELDS = 3  # the most important ones
_LEVELS = 25  # of a number in a contour: its grid has a cell for each pair of values


@dataclass(frozen=True)
class StudyFigures:
    """Plots of the trials of a task that have a score; a pruned one counts with that of its best evaluation.

    Attributes:
        slices: score against the values of a field, by field, the most important first.
        importances: share of each field in what makes trials good, by PED-ANOVA (Watanabe et al. 2023); empty for few
            trials.
        importance: the plot of these; ``None`` for few trials.
        contours: score by two fields, by their names, of the most important ones.
        pareto: score and milliseconds per row; ``None`` for a search with one objective.
    """

    slices: dict[str, Figure] = field(default_factory=dict)
    importances: dict[str, float] = field(default_factory=dict)
    importance: Figure | None = None
    contours: dict[tuple[str, str], Figure] = field(default_factory=dict)
    pareto: Figure | None = None


def load_plots() -> None:
    """Import Optuna's plots and plotly, which Optuna itself does at their first use: a second of CPU time."""
    optuna.visualization.is_available()


def study_figures(
    trials: Sequence[TrialRecord],
    space: SearchSpace,
    metric: str,
    *,
    metric_label: str = "",
    objectives: Sequence[str] = ("score",),
    labels: Callable[[str, Value], str] = lambda _, value: str(value),
) -> StudyFigures:
    """Plot a task's trials.

    Args:
        trials: the trials of one task.
        space: the search space.
        metric: the task's primary metric.
        metric_label: what axes call it; its name by default.
        objectives: what the search optimises.
        labels: returns the text of a categorical value of a field.

    Returns:
        The plots; empty ones where no trial was evaluated or no field is searched.
    """
    scored = [trial for trial in trials if trial.best_score is not None and math.isfinite(trial.best_score)]
    every = value_distributions(space, [trial.params for trial in scored])
    distributions = {name: spec for name, spec in every.items() if not spec.single()}
    if not scored or not distributions:
        return StudyFigures()
    name = metric_label or metric
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a plot lacks points, which shows
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            return _figures(scored, distributions, metric, name, objectives, labels)
        finally:
            optuna.logging.set_verbosity(verbosity)


def _figures(
    scored: Sequence[TrialRecord],
    distributions: Mapping[str, BaseDistribution],
    metric: str,
    name: str,
    objectives: Sequence[str],
    labels: Callable[[str, Value], str],
) -> StudyFigures:
    frozen = [_complete(trial, distributions, metric, number) for number, trial in enumerate(scored)]
    study = _study(frozen, metric)
    present = [each for each in distributions if any(each in trial.params for trial in frozen)]
    importances = _importances(study, present) if len(scored) >= MIN_TRIALS else {}
    ordered = [*importances, *(each for each in present if each not in importances)]
    visualization = optuna.visualization
    bars = visualization.plot_param_importances(study, params=ordered, target_name=name) if importances else None
    coarse = _study([_rounded(trial) for trial in frozen], metric)
    pairs = list(combinations(ordered[:_CONTOUR_FIELDS], 2)) if len(scored) >= MIN_TRIALS else []
    return StudyFigures(
        {
            each: _slice(visualization.plot_slice(study, [each], target_name=name), each, scored, distributions, labels)
            for each in ordered
        },
        importances,
        None if bars is None else _plain(bars),
        {pair: _contour(coarse, pair, name, distributions, labels) for pair in pairs if _vary(frozen, pair)},
        _pareto(scored, distributions, metric, name, objectives),
    )


def _complete(
    trial: TrialRecord, distributions: Mapping[str, BaseDistribution], metric: str, number: int
) -> FrozenTrial:
    """Return a trial with a score as a complete one, because Optuna's plots leave out all others."""
    finished = replace(trial, status=TrialStatus.FINISHED, ended=trial.ended or trial.started)
    return study_trial(finished, distributions, metric, number=number)


def _study(trials: Sequence[FrozenTrial], metric: str) -> optuna.Study:
    study = optuna.create_study(directions=study_directions(metric, ("score",)))
    study.add_trials(trials)
    return study


def _importances(study: optuna.Study, fields: Sequence[str]) -> dict[str, float]:
    """Return the importance of each field, the highest first; empty where they cannot be known."""
    values = {trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < 2:
        return {}
    found = optuna.importance.get_param_importances(study, params=list(fields))
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _vary(trials: Sequence[FrozenTrial], pair: tuple[str, str]) -> bool:
    """Return whether trials have both fields, each with at least two values."""
    both = [trial.params for trial in trials if all(name in trial.params for name in pair)]
    return all(len({params[name] for params in both}) > 1 for name in pair)


def _rounded(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial whose numbers of a range are rounded to `_LEVELS` values."""
    params = {name: _round(trial.distributions[name], value) for name, value in trial.params.items()}
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=trial.state,
        value=trial.value,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _round(distribution: BaseDistribution, value: Any) -> Any:
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return value
    low, high = float(distribution.low), float(distribution.high)
    if isinstance(distribution, IntDistribution) and high - low < _LEVELS:
        return value
    scale, back = (math.log, math.exp) if distribution.log else (float, float)
    step = (scale(high) - scale(low)) / (_LEVELS - 1)
    near = back(scale(low) + round((scale(value) - scale(low)) / step) * step)
    near = min(max(near, low), high)
    return round(near) if isinstance(distribution, IntDistribution) else near


def _slice(
    figure: Any,
    name: str,
    scored: Sequence[TrialRecord],
    distributions: Mapping[str, BaseDistribution],
    labels: Callable[[str, Value], str],
) -> Figure:
    """Return Optuna's slice with the trials' names, a cross for each that was not trained to its end, and labels."""
    plain = _plain(figure)
    trace = plain["data"][0]
    shown = [scored[int(number)] for number in trace["marker"]["color"]]
    trace["marker"]["symbol"] = ["circle" if each.status is TrialStatus.FINISHED else "x-thin-open" for each in shown]
    trace["marker"]["color"] = [each.number for each in shown]
    trace["text"] = [f"{each.name} ({str(each.status).replace('_', ' ')})" for each in shown]
    trace["hovertemplate"] = "%{text}<br>%{x}: %{y:.4f}<extra></extra>"
    _rename(plain["layout"]["xaxis"], [trace], "x", _texts(name, distributions[name], labels))
    return plain


def _contour(
    study: optuna.Study,
    pair: tuple[str, str],
    name: str,
    distributions: Mapping[str, BaseDistribution],
    labels: Callable[[str, Value], str],
) -> Figure:
    plain = _plain(optuna.visualization.plot_contour(study, list(pair), target_name=name))
    for axis, field_name in zip("xy", sorted(pair), strict=True):  # Optuna sorts them
        texts = {str(value): text for value, text in _values(field_name, distributions[field_name], labels)}
        _rename(plain["layout"][f"{axis}axis"], plain["data"], axis, texts)
    return plain


def _values(
    name: str, distribution: BaseDistribution, labels: Callable[[str, Value], str]
) -> list[tuple[Value | None, str]]:
    """Return the categorical values of a field, each with its text."""
    choices = distribution.choices if isinstance(distribution, CategoricalDistribution) else ()
    return [(value, labels(name, value)) for value in choices if value is not None]


def _texts(name: str, distribution: BaseDistribution, labels: Callable[[str, Value], str]) -> dict[str, str]:
    """Return the text of each categorical value by what Optuna's slice calls it."""
    return {repr(value): text for value, text in _values(name, distribution, labels)}


def _rename(axis: dict[str, Any], traces: Sequence[dict[str, Any]], letter: str, texts: Mapping[str, str]) -> None:
    """Replace the names of categories on an axis."""
    if axis.get("type") != "category":
        return
    for trace in traces:
        if trace.get(letter) is not None:
            trace[letter] = [texts.get(str(value), value) for value in trace[letter]]
    if axis.get("categoryarray") is not None:
        axis["categoryarray"] = [texts.get(str(value), value) for value in axis["categoryarray"]]


def _pareto(
    scored: Sequence[TrialRecord],
    distributions: Mapping[str, BaseDistribution],
    metric: str,
    name: str,
    objectives: Sequence[str],
) -> Figure | None:
    timed = [trial for trial in scored if trial.ms_per_row is not None]
    if len(objectives) < 2 or not timed:
        return None
    study = optuna.create_study(directions=study_directions(metric, objectives))
    for number, trial in enumerate(timed):
        finished = replace(trial, status=TrialStatus.FINISHED, ended=trial.ended or trial.started)
        study.add_trial(study_trial(finished, distributions, metric, objectives, number=number))
    plain = _plain(optuna.visualization.plot_pareto_front(study, target_names=[name, "milliseconds per row"]))
    for trace in plain["data"]:
        trace["hovertemplate"] = "%{x:.4f}, %{y:.3g} ms<extra></extra>"
        trace.pop("text", None)
    return plain


def _plain(figure: Any) -> Figure:
    """Return a plotly figure as lists and numbers, without its template and title: the page has its own."""
    plain: Figure = json.loads(figure.to_json(engine="json"))
    for key in ("template", "title"):
        plain["layout"].pop(key, None)
    return plain
