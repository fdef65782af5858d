"""Output of the plan: what will run and on which data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.config import ConfirmConfig, StopRuleConfig
from gluetune.events import SearchPlan, TaskPlan
from gluetune.reporting import formatting
from gluetune.reporting.costs import describe_budget

_MAX_NAMED_PARTS = 4  # of a checkpoint


def print_plan(plan: SearchPlan, console: Console) -> None:
    """Print the settings of a search and the table of its tasks."""
    console.print(_search(plan))
    console.print(_tasks(plan.tasks))
    by_source: dict[tuple[str, bool], list[str]] = {}
    for task in plan.tasks:
        by_source.setdefault((task.source, task.synthetic), []).append(task.title)
    for (source, synthetic), titles in by_source.items():
        console.print(Text(f"  {', '.join(titles)}: {source}", style="yellow" if synthetic else ""), soft_wrap=True)
    for task in plan.tasks:
        for line in task.card_lines:
            console.print(Text(f"  {line}"), soft_wrap=True)
    for task in plan.tasks:
        for line in formatting.same_rows_notes(task.same_rows):
            console.print(Text(f"  {task.title}: {line}", style="yellow"), soft_wrap=True)
    console.print()


def _search(plan: SearchPlan) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    workers = f"{formatting.count(plan.workers_per_lane, 'worker')} ({plan.resources})"
    for name, value in (
        ("search" if plan.fields else "run", f"{plan.name}, seed {plan.seed}"),
        *(_encoders(plan) if plan.encoders else [("model", _model(plan.model, plan.parameters))]),
        *_all_left_out(plan),
        *(_varied(plan) if plan.fields else ()),
        *([("training", formatting.format_params(plan.fixed))] if plan.fixed else []),
        *([("budget", describe_budget(plan.budget))] if plan.budget else []),
        *([("stop when", _stop_rule(plan.stop_when))] if plan.stop_when else []),
        *([("confirmation", _confirmed(plan, plan.confirm))] if plan.confirm else []),
        ("lanes", f"{plan.lanes}, each {workers}"),
        ("folder", plan.folder),
        ("MLflow", f"{plan.tracking_uri}, experiment {plan.experiment}"),
    ):
        table.add_row(name, Text(value))
    return table


def _confirmed(plan: SearchPlan, confirm: ConfirmConfig) -> str:
    best = "the best configuration" if confirm.top == 1 else f"the {confirm.top} best configurations"
    what = f"{best} of each task and the default" if plan.fields else "the configuration"
    return f"{what}, each with {formatting.count(confirm.seeds, 'fresh seed')}"


def _model(name: str, parameters: int) -> str:
    return f"{name} ({formatting.millions(parameters)} weights)"


def _encoders(plan: SearchPlan) -> Iterator[tuple[str, str]]:
    """Yield a line for each encoder, with its search space where the encoders have different ones."""
    for number, each in enumerate(plan.encoders):
        own = f", space {each.space}: {', '.join(each.fields)}" if _spaces_differ(plan) else ""
        fixed = f", {formatting.format_params(each.fixed)}" if each.fixed != plan.fixed else ""
        yield "" if number else "models", _model(each.name, each.parameters) + own + fixed


def _spaces_differ(plan: SearchPlan) -> bool:
    return len({(each.space, each.fields) for each in plan.encoders}) > 1


def _all_left_out(plan: SearchPlan) -> Iterator[tuple[str, str]]:
    """Yield what is not used of the checkpoint, or of each of several."""
    if plan.left_out:
        yield "left out", _left_out(plan.left_out)
    for each in plan.encoders:
        if each.left_out:
            yield "left out", f"{each.name}, {_left_out(each.left_out)}"


def _left_out(parts: dict[str, int]) -> str:
    named = [
        f"{part} ({formatting.count(tensors, 'tensor')})" for part, tensors in list(parts.items())[:_MAX_NAMED_PARTS]
    ]
    more = [f"{len(parts) - _MAX_NAMED_PARTS} more parts"] if len(parts) > _MAX_NAMED_PARTS else []
    return f"of the checkpoint: {', '.join(named + more)}; each trial's seed draws a new head"


def _varied(plan: SearchPlan) -> Iterator[tuple[str, str]]:
    source = f" ({plan.space_source})" if plan.space_source else ""
    budget = f", at most {formatting.duration(plan.time_budget_s)}" if plan.time_budget_s else ""
    yield "space", f"{plan.space}: {', '.join(plan.fields)}{source}"
    yield "algorithm", f"{plan.algorithm}, scheduler {plan.scheduler}{budget}"
    if len(plan.objectives) > 1:
        yield "objective", f"{', '.join(plan.objectives)}; the winner has the best score"


def _stop_rule(rule: StopRuleConfig) -> str:
    often = "once" if rule.patience == 1 else f"{rule.patience} times in a row"
    further = formatting.count(rule.further_trials, "further trial")
    return f"{further} of a task would gain less than {rule.expected_gain_below:g}, {often}"


def _tasks(tasks: tuple[TaskPlan, ...]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("task", style="bold", no_wrap=True)
    for name in ("trials", "train", "selection", formatting.scored_rows(chain(*(task.dev_rows for task in tasks)))):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("metric")
    table.add_column("baseline", justify="right", no_wrap=True)
    for task in tasks:
        dev = " + ".join(f"{rows:,}" for rows in task.dev_rows.values()) or "–"
        table.add_row(
            task.title,
            _planned(task),
            f"{task.train_rows:,}",
            f"{task.folds} folds" if task.folds else f"{task.selection_rows:,}",
            dev,
            formatting.metric(task.metric),
            formatting.score(task.baseline),
        )
    return table


def _planned(task: TaskPlan) -> str:
    """Return the number of trials, such as ``18``, or ``8 of 18`` if the space has more configurations than trials."""
    if task.planned is None:
        return "–"
    partly = task.configurations is not None and task.planned < task.configurations
    return f"{task.planned:,} of {task.configurations:,}" if partly else f"{task.planned:,}"
