"""One run as it goes, line by line: running loss between the evaluations, and one line for each of those."""

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
from gluetune.reporting.eta import busy_seconds


class RunLog:
    """Follows a run's events; used as a context manager around it, as `gluetune.reporting.LiveTable` is.

    Args:
        console: where to.
        line: an evaluation in words; `evaluated` by default.
    """

    def __init__(self, console: Console, line: Callable[[Evaluated, TrialRecord], str] | None = None) -> None:
        self._console, self._evaluated = console, line or evaluated

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def note(self, text: str) -> None:
        """Says what happens beside the training."""
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}", style="dim"), soft_wrap=True)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Takes an event in."""
        if isinstance(event, TrialStarted):
            self.note(f"{trial.name}: training starts")
        elif isinstance(event, StepLogged):
            self._line(logged(event))
        elif isinstance(event, Evaluated):
            self._line(self._evaluated(event, trial), "bold")
        elif isinstance(event, TrialEnded):
            why = f" ({formatting.reason(event.message)})" if event.message else ""
            self.note(f"{trial.name} {event.status.replace('_', ' ')}{why}")
        elif isinstance(event, WinnerEvaluated):
            self.note(f"{trial.name}: saved to {event.folder}")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True, highlight=False)


def logged(event: StepLogged) -> str:
    """``epoch 0.03 · step 4 · loss 0.6931 · accuracy 0.6562 · lr 5.00e-06 · 31 examples/s``."""
    accuracy = "" if event.accuracy is None else f" · accuracy {event.accuracy:.4f}"
    return (
        f"epoch {event.epoch:.2f} · step {event.step} · loss {event.loss:.4f}{accuracy} · "
        f"lr {event.learning_rate:.2e} · {event.examples_per_second:,.0f} examples/s"
    )


def evaluated(event: Evaluated, trial: TrialRecord) -> str:
    """An evaluation with the training before it, and the time spent in training and evaluation so far."""
    accuracy = "" if event.train_accuracy is None else f", accuracy {event.train_accuracy:.4f}"
    speed = f", {event.train_examples / event.train_seconds:,.0f} examples/s" if event.train_seconds else ""
    scores = ", ".join(f"{formatting.metric(name)} {formatting.score(value)}" for name, value in event.metrics.items())
    return (
        f"epoch {format_epochs(event.epoch)}: training loss {event.train_loss:.4f}{accuracy}{speed}; validation loss "
        f"{event.eval_loss:.4f}, {scores}; {formatting.clock(busy_seconds(trial))} elapsed"
    )
