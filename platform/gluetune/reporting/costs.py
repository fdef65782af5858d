"""What a search used and cost: the parts of ``summary.json``, and the lines in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gluetune.config import CostPerHour, price_of
from gluetune.events import (
    ClassSeconds,
    JournalEvent,
    ResourceUse,
    SearchCosts,
    Spent,
    TaskEnded,
    TaskPlan,
    search_costs,
)
from gluetune.reporting import formatting
from gluetune.reporting.schema import (
    BudgetLimit,
    ClassSecondsSummary,
    CostsSummary,
    EarlyEndSummary,
    EstimateSummary,
    Summary,
)

BUDGET_UNITS = {"gpu_hours": "GPU-hours", "cpu_hours": "CPU-hours", "seconds": "seconds", "trials": "trials"}
"""What the limits of a budget count, by their names in a job."""

_CLASSES = tuple(each.name for each in fields(ClassSeconds))


@dataclass(frozen=True)
class CostReport:
    """What a search used and cost, from its journal.

    Attributes:
        costs: what it used.
        ended: the ends of tasks by the stopping rule, by task.
        trials: number of trials that were started.
        cost_per_hour: the job's prices; ``None`` where there are none.
    """

    costs: SearchCosts
    ended: Mapping[str, TaskEnded]
    trials: int
    cost_per_hour: CostPerHour | None = None

    @classmethod
    def of(
        cls, history: Iterable[JournalEvent], cost_per_hour: CostPerHour | None = None, now: float | None = None
    ) -> CostReport:
        """Read a journal.

        Args:
            history: all its events, in order.
            cost_per_hour: the job's prices.
            now: current time, in seconds since the epoch, of a search that runs; ``None`` for another.
        """
        known = list(history)
        costs = search_costs(known, now=now)
        ended = {event.task: event for event in known if isinstance(event, TaskEnded)}
        return cls(costs, ended, len(costs.trials), cost_per_hour)

    @property
    def total(self) -> CostsSummary:
        """What the whole search used."""
        return self._summary(self.costs.total)

    def trial(self, number: int) -> CostsSummary | None:
        """Return what a trial used; ``None`` where the journal was not read."""
        use = self.costs.trials.get(number)
        return None if use is None else self._summary(use)

    def task(self, task: str) -> CostsSummary | None:
        """Return what the trials of a task used; ``None`` where it has none."""
        use = self.costs.tasks.get(task)
        return None if use is None else self._summary(use)

    def budget(self, limits: Mapping[str, float], confirming: Spent | None = None) -> dict[str, BudgetLimit]:
        """Return a budget's limits with what was spent of them.

        Args:
            limits: the limits, by their names in a job.
            confirming: what the search's confirmation spent; ``None`` where it is not known.
        """
        spent = {} if self.costs.spent is None else asdict(self.costs.spent + (confirming or Spent()))
        known: dict[str, float] = spent | {"trials": self.trials}
        return {name: BudgetLimit(limit=limit, spent=known.get(name)) for name, limit in limits.items()}

    def ended_early(self, plan: TaskPlan, max_trials: float | None = None) -> EarlyEndSummary | None:
        """Return why a task got no further trials, and what that saved; ``None`` where it did not end so.

        Args:
            plan: the task.
            max_trials: the budget's number of trials of all tasks; what one task does not start others do.
        """
        event = self.ended.get(plan.task)
        if event is None:
            return None
        run = self._trials_of(plan.task)
        left = () if max_trials is None else (int(max_trials) - self.trials,)
        saved = None if plan.planned is None else max(0, min([plan.planned - len(run), *left]))
        lanes, cpus, gpus = (
            _times(saved, [_busy(getattr(use, kind)) for use in run]) for kind in ("lanes", "cpus", "gpus")
        )
        return EarlyEndSummary(
            **event.model_dump(include={"trials", "further_trials", "expected_gain", "threshold", "patience"}),
            trials_saved=saved,
            lane_seconds_saved=lanes,
            cpu_seconds_saved=cpus,
            gpu_seconds_saved=gpus,
        )

    def _trials_of(self, task: str) -> list[ResourceUse]:
        return [use for number, use in self.costs.trials.items() if self.costs.task_of[number] == task]

    def _summary(self, use: ResourceUse) -> CostsSummary:
        return CostsSummary(
            lane_seconds=_seconds(use.lanes),
            cpu_seconds=_seconds(use.cpus),
            gpu_seconds=_seconds(use.gpus),
            cost=self._cost(use),
        )

    def _cost(self, use: ResourceUse) -> float | None:
        cpus, gpus = use.cpus.total, use.gpus.total
        if self.cost_per_hour is None or cpus is None or gpus is None:
            return None
        return price_of(self.cost_per_hour, cpus, gpus, gpus=self._has_gpus)

    @property
    def _has_gpus(self) -> bool:
        return bool(self.costs.total.gpus.total)


def _seconds(classes: ClassSeconds) -> ClassSecondsSummary:
    return ClassSecondsSummary(**asdict(classes), total=classes.total)


def _busy(classes: ClassSeconds) -> float | None:
    if classes.training is None or classes.evaluation is None:
        return None
    return classes.training + classes.evaluation


def _times(number: int | None, values: list[float | None]) -> float | None:
    """Return a number times the mean of values; ``None`` where one of them is not known."""
    known = [value for value in values if value is not None]
    if number is None or not known or len(known) < len(values):
        return None
    return number * sum(known) / len(known)


def recorded_cost_lines(
    history: Iterable[JournalEvent],
    job: Mapping[str, Any],
    now: float | None,
    confirmation_history: Iterable[JournalEvent] = (),
) -> Iterator[tuple[str, str]]:
    """Yield name and text of what a recorded search used, and spent of its budget; nothing where it is not recorded.

    Args:
        history: all events of its journal, in order.
        job: its job's keys and values.
        now: current time, in seconds since the epoch, of a search that runs; ``None`` for another.
        confirmation_history: all events of the journal of its confirmation; empty where there is none.
    """
    prices = (job.get("lanes") or {}).get("cost_per_hour")
    report, confirming = CostReport.of(history, prices, now), CostReport.of(confirmation_history, prices)
    if not report.trials or report.costs.spent is None:
        return
    yield "used", describe_costs(report.total)
    if confirming.costs.spent is not None and confirming.costs.sessions:
        yield "used to confirm", describe_costs(confirming.total)
    budget = (job.get("search") or {}).get("budget") or {}
    given = {name: limit for name, limit in budget.items() if name in BUDGET_UNITS and limit}
    limits = report.budget(given, confirming.costs.spent)
    if limits:
        yield "budget", ", ".join(f"{describe_limit(*item)} spent" for item in limits.items())


def cost_lines(summary: Summary) -> Iterator[str]:
    """Yield lines on what a search used and cost, on its estimate and budget, and on what the stopping rule saved."""
    for task in summary.tasks:
        if task.ended_early is not None:
            yield f"{task.title}: {describe_early_end(task.ended_early)}"
    if summary.costs is not None and summary.costs.cpu_seconds.total is not None:
        yield f"used: {describe_costs(summary.costs)}"
    if summary.confirmation_costs is not None and summary.confirmation_costs.cpu_seconds.total is not None:
        yield f"used to confirm: {describe_costs(summary.confirmation_costs)}"
    if summary.estimate is not None and summary.estimate.error is not None:
        yield describe_error(summary.estimate)
    if summary.budget:
        yield f"budget: {', '.join(f'{describe_limit(*item)} spent' for item in summary.budget.items())}"


def describe_costs(costs: CostsSummary) -> str:
    """Return a line such as ``1.2 GPU-hours, 4.8 CPU-hours (71% training, 9% evaluation, …), cost 2.40``."""
    seconds, lanes = costs.gpu_seconds.total, costs.lane_seconds
    used = [amount(seconds, "GPU")] if seconds else []
    used += [amount(costs.cpu_seconds.total or 0.0, "CPU")]
    if lanes.total:
        shares = ", ".join(f"{getattr(lanes, name) / lanes.total:.0%} {name}" for name in _CLASSES)
        used[-1] += f" ({shares})"
    if costs.cost is not None:
        used.append(f"cost {price(costs.cost)}")
    return ", ".join(used)


def price(cost: float) -> str:
    """Return a price with two decimals, below 0.1 with two digits."""
    return f"{cost:,.2f}" if cost >= 0.1 else f"{cost:.2g}"


def describe_limit(name: str, limit: BudgetLimit) -> str:
    """Return a line such as ``1.2 of 4 GPU-hours``."""
    spent = "–" if limit.spent is None else _number(limit.spent)
    return f"{spent} of {_number(limit.limit)} {BUDGET_UNITS[name]}"


def describe_budget(limits: Mapping[str, float]) -> str:
    """Return the limits of a budget, such as ``4 GPU-hours, 60 trials``."""
    return ", ".join(f"{_number(limit)} {BUDGET_UNITS[name]}" for name, limit in limits.items())


def describe_early_end(end: EarlyEndSummary) -> str:
    """Return why a task got no further trials, and what that saved."""
    estimates = "the last estimate" if end.patience == 1 else f"{end.patience} estimates in a row"
    why = (
        f"no further trials after {end.trials}: by {estimates}, {formatting.count(end.further_trials, 'further one')} "
        f"would gain less than {end.threshold:g} (last {end.expected_gain:.2g})"
    )
    if not end.trials_saved:
        return why
    used = "" if end.lane_seconds_saved is None else f", about {formatting.duration(end.lane_seconds_saved)} of a lane"
    if end.gpu_seconds_saved:
        used += f" ({amount(end.gpu_seconds_saved, 'GPU')})"
    return f"{why}; saved {formatting.count(end.trials_saved, 'trial')}{used}"


def describe_error(estimate: EstimateSummary) -> str:
    """Return a line such as ``estimated after 12 s of lanes: 5 min 30 s; it took 9% longer``."""
    error = estimate.error or 0.0
    took = "as long" if abs(error) < 0.005 else f"{abs(error):.0%} {'longer' if error > 0 else 'less'}"
    after, expected = formatting.duration(estimate.at), formatting.duration(estimate.seconds)
    return f"estimated after {after}: {expected} with lanes; it took {took}"


def describe_spent(spent: Spent, limits: Mapping[str, float], trials: int) -> str:
    """Return what was spent of a budget, and what is left: ``1.2 of 4 GPU-hours spent, 2.8 left``.

    Args:
        spent: what the search has spent.
        limits: the budget's limits, by their names in a job.
        trials: number of trials that were started.
    """
    values = asdict(spent) | {"trials": trials}
    return "; ".join(
        f"{_number(values[name])} of {_number(limit)} {BUDGET_UNITS[name]} spent, "
        f"{_number(max(0.0, limit - values[name]))} left"
        for name, limit in limits.items()
    )


def describe_estimate(total: Spent, lanes: int) -> str:
    """Return what a search needs in all: ``about 1.2 GPU-hours, 4.8 CPU-hours, 36 min 00 s on 2 lanes in all``.

    Args:
        total: the estimate.
        lanes: number of trials that run at the same time.
    """
    used = [amount(3600 * total.gpu_hours, "GPU")] if total.gpu_hours else []
    used += [amount(3600 * total.cpu_hours, "CPU"), formatting.duration(total.seconds)]
    return f"about {', '.join(used)} on {formatting.count(lanes, 'lane')} in all"


def budget_warning(total: Spent, limits: Mapping[str, float]) -> str:
    """Return a warning that a search needs more than its budget; empty where it does not.

    Args:
        total: what it is estimated to need.
        limits: the budget's limits, by their names in a job.
    """
    needs = asdict(total)
    for name, limit in limits.items():
        if name in needs and needs[name] > limit:
            return (
                f"this search needs about {_number(needs[name])} {BUDGET_UNITS[name]}, but the budget is "
                f"{_number(limit)}: it will end before all of its trials have run"
            )
    return ""


def amount(seconds: float, resource: str) -> str:
    """Return resource seconds as ``12 CPU-seconds``, ``34 CPU-minutes`` or ``5.6 CPU-hours``."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{_number(seconds / size)} {resource}-{unit}"
    return f"{_number(seconds)} {resource}-seconds"


def _number(value: float) -> str:
    """Return a number with three digits, and no fraction from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
