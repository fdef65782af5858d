"""Progress of a single run in lines: one for each logged step and one for each evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from gluetune.events import (
    Evaluated,
    Event,
    StepLogged,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    WinnerEvaluated,
    format_epochs,
)
from gluetune.reporting import formatting
from gluetune.reporting.progress import busy_seconds


class ProgressLog:
    """Prints the progress of a run; used as a context manager around it, like `gluetune.reporting.LiveTable`.

    Args:
        console: output.
        line: formats an evaluation; `format_evaluation` by default.
    """

    def __init__(self, console: Console, line: Callable[[Evaluated, TrialRecord], str] | None = None) -> None:
        self._console, self._evaluated = console, line or format_evaluation

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def note(self, text: str) -> None:
        """Prints a message with the time."""
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}", style="dim"), soft_wrap=True)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Prints the line of an event of the journal, if it has one."""
        if isinstance(event, TrialStarted):
            self.note(f"{trial.name}: training starts")
        elif isinstance(event, StepLogged):
            self._line(format_log(event))
        elif isinstance(event, Evaluated):
            self._line(self._evaluated(event, trial), "bold")
        elif isinstance(event, TrialEnded):
            why = f" ({formatting.error_line(event.message)})" if event.message else ""
            self.note(f"{trial.name} {event.status.replace('_', ' ')}{why}")
        elif isinstance(event, WinnerEvaluated):
            self.note(f"{trial.name}: saved to {event.folder}")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True, highlight=False)


def format_log(event: StepLogged) -> str:
    """Formats a logged step: ``epoch 0.03 · step 4 · loss 0.6931 · accuracy 0.6562 · lr 5.00e-06 · 31 examples/s``."""
    accuracy = "" if event.accuracy is None else f" · accuracy {event.accuracy:.4f}"
    return (
        f"epoch {event.epoch:.2f} · step {event.step} · loss {event.loss:.4f}{accuracy} · "
        f"lr {event.learning_rate:.2e} · {event.examples_per_second:,.0f} examples/s"
    )


def format_evaluation(event: Evaluated, trial: TrialRecord) -> str:
    """Formats an evaluation, the training before it, and the time spent in training and evaluation so far."""
    accuracy = "" if event.train_accuracy is None else f", accuracy {event.train_accuracy:.4f}"
    speed = f", {event.train_examples / event.train_seconds:,.0f} examples/s" if event.train_seconds else ""
    scores = ", ".join(f"{formatting.metric(name)} {formatting.score(value)}" for name, value in event.metrics.items())
    return (
        f"epoch {format_epochs(event.epoch)}: training loss {event.train_loss:.4f}{accuracy}{speed}; validation loss "
        f"{event.eval_loss:.4f}, {scores}; {formatting.clock(busy_seconds(trial))} elapsed"
    )
