"""What a search may spend, when further trials are not worth it, and what an hour of its lanes costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gluetune.config.validation import Section
from gluetune.errors import ConfigIssue

if TYPE_CHECKING:
    from gluetune.config.job import JobConfig

MIN_GAIN_TRIALS = 10
"""Evaluated trials of a task, below which a search says nothing about further ones."""

FURTHER_TRIALS = 10
"""Further trials whose gain is estimated, where a job sets no other number."""


class BudgetConfig(Section):
    """Limits of a whole search, over all its tasks and sessions. The first that is reached ends the search.

    Where hours or seconds are spent, the search stops its running trials, saves and scores the winners, and ends; a
    resume with a larger budget continues it. Where ``trials`` have been started, the search is complete once they have
    ended. A limit that is ``None`` does not apply.
    """

    gpu_hours: float | None = Field(
        default=None,
        gt=0,
        description="hours of the GPUs of all lanes, for as long as the search has lanes, also while they "
        "start or wait",
    )
    cpu_hours: float | None = Field(default=None, gt=0, description="the same of the CPU cores of all lanes")
    seconds: float | None = Field(
        default=None, gt=0, description="seconds in which the search has lanes, counted once for all lanes"
    )
    trials: int | None = Field(
        default=None, ge=1, description="number of trials that the search starts, of all tasks together"
    )

    @property
    def limits(self) -> dict[str, float]:
        """The limits that apply, by key."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}

    @property
    def limits_time(self) -> bool:
        """Whether hours or seconds are limited; tasks then get equal time per weight, else equal numbers of trials."""
        return bool(self.limits.keys() - {"trials"})


def divide_trials(trials: int, limits: Mapping[str, int | None], weights: Mapping[str, float]) -> dict[str, int]:
    """Return how many trials of a budget each task gets by its weight, if no task ends before.

    Args:
        trials: number of trials of all tasks together.
        limits: the most trials of each task; ``None`` for no limit.
        weights: weight of each task.
    """
    shares = dict.fromkeys(limits, 0)
    for _ in range(trials):
        open_tasks = [task for task, limit in limits.items() if limit is None or shares[task] < limit]
        if not open_tasks:
            break
        shares[min(open_tasks, key=lambda task: shares[task] / weights[task])] += 1
    return shares


class StopRuleConfig(Section):
    """When a task gets no further trials, because they are not expected to raise its best score enough.

    Each time a trial of the task has ended, the search estimates by how much further trials would raise the task's
    best score. Trials that run when the task ends go on to their end.
    """

    expected_gain_below: float | None = Field(
        default=None,
        gt=0,
        description="expected gain of further trials, in units of the score, below which an estimate counts "
        "towards `patience`; null: no task ends by this rule",
    )
    patience: int = Field(
        default=5, ge=1, description="number of such estimates in a row after which the task gets no further trials"
    )
    further_trials: int = Field(
        default=FURTHER_TRIALS, ge=1, description="number of further trials whose gain is estimated"
    )
    min_trials: int = Field(
        default=MIN_GAIN_TRIALS, ge=4, description="number of evaluated trials of the task before the first estimate"
    )


CostPerHour = (
    Annotated[float, Field(gt=0)]
    | Annotated[dict[Literal["gpu", "cpu"], Annotated[float, Field(ge=0)]], Field(min_length=1)]
)
"""What an hour costs: of a GPU where lanes have GPUs, else of a CPU core; or of each, by name."""


def price_of(cost_per_hour: CostPerHour, cpu_seconds: float, gpu_seconds: float, *, gpus: bool) -> float:
    """Return what CPU cores and GPUs cost.

    Args:
        cost_per_hour: the job's prices.
        cpu_seconds: seconds of CPU cores.
        gpu_seconds: seconds of GPUs.
        gpus: whether the lanes have GPUs; a single price is then that of a GPU.
    """
    prices = cost_per_hour if isinstance(cost_per_hour, dict) else {"gpu" if gpus else "cpu": cost_per_hour}
    return (prices.get("cpu", 0.0) * cpu_seconds + prices.get("gpu", 0.0) * gpu_seconds) / 3600


def budget_issues(config: JobConfig) -> Iterator[ConfigIssue]:
    """Find the settings of budgets and the stopping rule that do not go together."""
    search = config.search
    if search.budget.seconds is not None and search.time_budget_s is not None:
        yield ConfigIssue.at(
            ("search", "budget", "seconds"),
            f"must not be given beside search.time_budget_s (--time-budget-s), but got {search.budget.seconds:g} and "
            f"{search.time_budget_s:g}: time_budget_s limits this session, budget.seconds all sessions together",
        )
    rule = search.stop_when
    if rule.expected_gain_below is None:
        for setting in ("patience", "further_trials", "min_trials"):
            if getattr(rule, setting) != type(rule).model_fields[setting].default:
                yield ConfigIssue.at(
                    ("search", "stop_when", setting),
                    f"must not be given without search.stop_when.expected_gain_below, but got {getattr(rule, setting)}",
                )
