"""Progress of a search (a table on a terminal, lines elsewhere) and of a single run (lines)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib.util import find_spec
from types import TracebackType
from typing import Self

from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gluetune.events import (
    EncoderSaved,
    Evaluated,
    Event,
    JournalEvent,
    PretrainingEvaluated,
    SearchEvent,
    SearchPlan,
    StepLogged,
    TaskEnded,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    WinnerEvaluated,
    format_epochs,
)
from gluetune.reporting import formatting
from gluetune.reporting.costs import budget_warning, describe_estimate, describe_spent
from gluetune.reporting.estimate import CostEstimator
from gluetune.reporting.progress import Progress, TaskProgress, busy_seconds


class LiveTable:
    """Shows the progress of a search; used as a context manager around it.

    Args:
        plan: the search.
        console: output; a table if its ``is_terminal`` is true, else lines.
        trials: trials of earlier sessions, by number.
        history: the journal's events of earlier sessions, in order.
        confirmation_history: likewise of the journal of the search's confirmation.
    """

    def __init__(
        self,
        plan: SearchPlan,
        console: Console,
        trials: dict[int, TrialRecord] | None = None,
        history: Iterable[JournalEvent] = (),
        confirmation_history: Iterable[JournalEvent] = (),
    ) -> None:
        self._plan, self._console = plan, console
        self._costs, self._estimated = CostEstimator(plan), False
        self._costs.replay(history)
        self._confirmation_costs = CostEstimator(plan)
        self._confirmation_costs.replay(confirmation_history)
        self._progress = Progress(plan, (trials or {}).values())
        self._titles = {task.task: task.title for task in plan.tasks}
        self._metrics = {task.task: task.metric for task in plan.tasks}
        self._best = {row.best.task: row.best.best_score for row in self._progress.rows() if row.best}
        self._started = time.monotonic()
        self._note = ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal or _in_notebook(self._console):
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=2,
                redirect_stdout=False,
                redirect_stderr=False,
            )  # output of libraries goes to the log
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._note = ""
            self._live.stop()
            self._live = None

    def replan(self, plan: SearchPlan) -> None:
        """Show the search with other limits: of the plan, only numbers of trials and the time budget differ."""
        self._plan = self._costs.plan = plan
        self._progress.replan(plan)

    def note(self, text: str) -> None:
        """Show a message, such as that lanes start: below the table, or as a line."""
        if self._live is None:
            self._line(text)
        self._note = text

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Update the output with an event of the journal."""
        self._progress.update(trial)
        self._costs.on_event(event, trial)
        self._report_estimate()
        if isinstance(event, Evaluated):
            self._note = ""
            if event.fold is None:
                self._evaluated(event, trial)
        elif isinstance(event, TrialEnded):
            if trial.folds and trial.best is not None and trial.complete_folds == trial.folds:
                self._evaluated(trial.best, trial)
            self._say(self._ending(event, trial))
        elif isinstance(event, WinnerEvaluated):
            scored = f" and scored on the {_listed(event.scores)} rows" if event.scores else ""
            self._say(f"{self._titles[trial.task]}: the winner {trial.name} has been saved{scored}")

    def on_search_event(self, event: SearchEvent) -> None:
        """Print a line about a task that gets no further trials."""
        self._costs.on_search_event(event)
        self._report_estimate()
        if isinstance(event, TaskEnded):
            self._progress.end_task(event.task)
            further = formatting.count(event.further_trials, "further trial")
            self._line(f"{self._titles[event.task]} ends: {further} would gain about {event.expected_gain:.2g}")

    def on_confirmation_event(self, event: SearchEvent) -> None:
        """Count what a session of the confirmation spends; called with its start and its end."""
        self._confirmation_costs.on_search_event(event)

    def render(self) -> RenderableType:
        """Build the current table."""
        rows = self._progress.rows()
        table = Table(box=SIMPLE, pad_edge=False)
        table.add_column("task", style="bold", no_wrap=True)
        for name, style in (
            ("planned", ""),
            ("done", ""),
            ("running", "cyan"),
            ("pruned", ""),
            ("failed", "red"),
            ("left", ""),
            ("best", "green"),
        ):
            table.add_column(name, justify="right", no_wrap=True, style=style)
        if self._console.width >= formatting.NARROW:
            table.add_column("configuration")
        for row in rows:
            table.add_row(*_cells(row, self._metrics[row.task])[: len(table.columns)])
        below = (
            []
            if self._console.width >= formatting.NARROW
            else [Text(f"  {row.title}: {formatting.format_params(row.best.params)}") for row in rows if row.best]
        )
        return Group(table, *below, Text(self._footer(rows), style="dim"))

    def _footer(self, rows: list[TaskProgress]) -> str:
        elapsed = time.monotonic() - self._started
        known = [row.left for row in rows if row.left is not None]
        ends = [max(known)] if known else []
        if self._plan.time_budget_s is not None:
            ends.append(max(0.0, self._plan.time_budget_s - elapsed))
        left = f"about {formatting.duration(min(ends))} left" if ends else ""
        parts = (f"{formatting.duration(elapsed)} so far", left, self._note, *self._costs_so_far(rows))
        return "  " + " · ".join(part for part in parts if part)

    def _costs_so_far(self, rows: list[TaskProgress]) -> tuple[str, str]:
        """Return what was spent of the budget, and what the search needs in all, as far as that is known."""
        now = time.time()
        estimate, started = self._costs.estimate(now), sum(row.done + row.running for row in rows)
        spent = self._costs.spent(now) + self._confirmation_costs.spent(now)
        return (
            describe_spent(spent, self._plan.budget, started),
            describe_estimate(estimate.total, self._plan.lanes) if estimate else "",
        )

    def _report_estimate(self) -> None:
        """Print what the search needs, once it is first known, and whether that is more than its budget."""
        estimate = None if self._estimated else self._costs.estimate(time.time())
        if estimate is None:
            return
        self._estimated = True
        self._say(describe_estimate(estimate.total, self._plan.lanes))
        if warning := budget_warning(estimate.total, self._plan.budget):
            self._line(warning)

    def _evaluated(self, event: Evaluated, trial: TrialRecord) -> None:
        best = self._best.get(trial.task)
        if best is not None and not event.score > best:
            return
        self._best[trial.task] = event.score
        metric, score = formatting.metric(self._metrics[trial.task]), self._value(trial.task, event.score)
        self._say(
            f"{self._titles[trial.task]}: best {metric} is now {score} ({trial.name}, "
            f"epoch {format_epochs(event.epoch)}: {formatting.format_params(trial.params)})"
        )

    def _ending(self, event: TrialEnded, trial: TrialRecord) -> str:
        row = next(row for row in self._progress.rows() if row.task == trial.task)
        of = "" if row.planned is None else f"/{row.planned}"
        why = f" ({formatting.error_line(event.message)})" if event.message else ""
        left = f", about {formatting.duration(row.left)} left" if row.left else ""
        return (
            f"{trial.name} {event.status.replace('_', ' ')}{why}: best {self._value(trial.task, trial.best_score)}; "
            f"{row.title} {row.done}{of} done{left}"
        )

    def _value(self, task: str, score: float | None) -> str:
        return formatting.ranking_metric(self._metrics[task], score)

    def _say(self, text: str) -> None:
        if self._live is None:
            self._line(text)

    def _line(self, text: str) -> None:
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}"), soft_wrap=True)


def _in_notebook(console: Console) -> bool:
    """Whether a notebook shows the console and can redraw a table, for which rich needs ipywidgets."""
    return console.is_jupyter and find_spec("ipywidgets") is not None


def _listed(splits: Iterable[str]) -> str:
    *first, last = splits
    return f"{', '.join(first)} and {last}" if first else last


def _cells(row: TaskProgress, metric: str) -> tuple[str | Text, ...]:
    planned = "–" if row.planned is None else str(row.planned)
    best, what = (
        (formatting.ranking_metric(metric, row.best.best_score), formatting.format_params(row.best.params))
        if row.best
        else ("–", "")
    )
    return (
        row.title,
        planned,
        *map(str, (row.done, row.running, row.pruned, row.failed)),
        formatting.duration(row.left) if row.left else "–",
        best,
        Text(what),
    )


class ProgressLog:
    """Prints the progress of a run; used as a context manager around it, like `gluetune.reporting.LiveTable`.

    Args:
        console: output.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def replan(self, plan: SearchPlan) -> None:
        """Do nothing: no line says how many trials are planned."""

    def note(self, text: str) -> None:
        """Print a message with the time."""
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}", style="dim"), soft_wrap=True)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Print the line of an event of the journal, if it has one."""
        if isinstance(event, TrialStarted):
            self.note(f"{trial.name}: training starts")
        elif isinstance(event, StepLogged):
            self._line(format_log(event))
        elif isinstance(event, Evaluated):
            self._line(format_evaluation(event, trial), "bold")
        elif isinstance(event, PretrainingEvaluated):
            self._line(format_pretraining_evaluation(event), "bold")
        elif isinstance(event, TrialEnded):
            why = f" ({formatting.error_line(event.message)})" if event.message else ""
            self.note(f"{trial.name} {event.status.replace('_', ' ')}{why}")
        elif isinstance(event, WinnerEvaluated | EncoderSaved):
            self.note(f"{trial.name}: saved to {event.folder}")

    def on_search_event(self, event: SearchEvent) -> None:
        """Print nothing: a single run has one trial."""

    def on_confirmation_event(self, event: SearchEvent) -> None:
        """Print nothing: no line says what a run has spent."""

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True, highlight=False)


def format_log(event: StepLogged) -> str:
    """Format a logged step: ``epoch 0.03 · step 4 · loss 0.6931 · accuracy 0.6562 · lr 5.00e-06 · 31 examples/s``."""
    accuracy = "" if event.accuracy is None else f" · accuracy {event.accuracy:.4f}"
    return (
        f"{_of_fold(event)}epoch {event.epoch:.2f} · step {event.step} · loss {event.loss:.4f}{accuracy} · "
        f"lr {event.learning_rate:.2e} · {event.examples_per_second:,.0f} examples/s"
    )


def format_evaluation(event: Evaluated, trial: TrialRecord) -> str:
    """Format an evaluation, the training before it, and the time spent in training and evaluation so far."""
    accuracy = "" if event.train_accuracy is None else f", accuracy {event.train_accuracy:.4f}"
    speed = f", {event.train_examples / event.train_seconds:,.0f} examples/s" if event.train_seconds else ""
    scores = ", ".join(f"{formatting.metric(name)} {formatting.score(value)}" for name, value in event.metrics.items())
    return (
        f"{_of_fold(event)}epoch {format_epochs(event.epoch)}: training loss {event.train_loss:.4f}{accuracy}{speed}; "
        f"validation loss {event.eval_loss:.4f}, {scores}; {formatting.clock(busy_seconds(trial))} elapsed"
    )


def _of_fold(event: StepLogged | Evaluated) -> str:
    return "" if event.fold is None else f"fold {event.fold}, "


def format_pretraining_evaluation(event: PretrainingEvaluated) -> str:
    """Format an evaluation of a pre-training run and the training before it."""
    return (
        f"step {event.step:,}/{event.total_steps:,} · training MLM {event.train_masked_lm_loss:.3f}, "
        f"NSP {event.train_next_sentence_loss:.3f} · held-out MLM {event.masked_lm_loss:.3f} "
        f"({event.masked_lm_accuracy:.1%} right), NSP {event.next_sentence_loss:.3f} "
        f"({event.next_sentence_accuracy:.1%}) · {event.pairs_per_second:,.0f} sentence pairs/s"
    )
