"""Trials folded from events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from gluetune.config import Value
from gluetune.events.schema import Evaluated, Event, StepLogged, TrialEnded, TrialStarted, WinnerEvaluated


class TrialStatus(StrEnum):
    """Where a trial stands. ``stopped``: cut by the time budget or Ctrl-C; a resume goes on with it."""

    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """Whether a resume leaves the trial alone."""
        return self not in (TrialStatus.RUNNING, TrialStatus.STOPPED)


@dataclass(slots=True)
class TrialRecord:
    """All that is known of one trial."""

    number: int
    task: str
    params: dict[str, Value]
    training: dict[str, Value | None]
    seed: int
    started: float
    status: TrialStatus = TrialStatus.RUNNING
    message: str = ""
    ended: float | None = None
    evaluations: list[Evaluated] = field(default_factory=list)
    logs: list[StepLogged] = field(default_factory=list)
    winner: WinnerEvaluated | None = None

    @property
    def name(self) -> str:
        """The trial's folder and MLflow run name, such as ``cola-0007``."""
        return f"{self.task}-{self.number:04d}"

    @property
    def best(self) -> Evaluated | None:
        """The evaluation the trial is ranked by: highest score, the earliest of equals; ``None`` before the first."""
        finite = [e for e in self.evaluations if e.score == e.score]
        return max(finite, key=lambda e: (e.score, -e.index), default=None)

    @property
    def best_score(self) -> float | None:
        """Score of `best`."""
        return self.best.score if self.best else None

    @property
    def selection_scores(self) -> dict[str, float]:
        """Metrics of the best weights on the selection rows, in the precision of the development scores where known.

        A winner's are the saved model's in fp32. Trials are ranked by `best_score`, which may be of another precision.
        """
        if self.winner is not None and self.winner.selection_scores:
            return self.winner.selection_scores
        return self.best.metrics if self.best else {}

    @property
    def selection_loss(self) -> float | None:
        """The loss that goes with `selection_scores`."""
        if self.winner is not None and self.winner.selection_loss is not None:
            return self.winner.selection_loss
        return self.best.eval_loss if self.best else None


def format_epochs(number: float) -> str:
    """A number of epochs with two decimals at most: ``2.5``, ``3``."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def replay_events(events: Iterable[Event]) -> dict[int, TrialRecord]:
    """Folds events into trials by number. An evaluation told twice (after a restart) replaces the earlier one."""
    trials: dict[int, TrialRecord] = {}
    for event in events:
        apply_event(trials, event)
    return trials


def apply_event(trials: dict[int, TrialRecord], event: Event) -> TrialRecord:
    """Applies one event in place and returns the trial it concerns."""
    if isinstance(event, TrialStarted):
        trials[event.number] = TrialRecord(
            event.number, event.task, dict(event.params), dict(event.training), event.seed, event.time
        )
        return trials[event.number]
    trial = trials[event.number]
    if isinstance(event, Evaluated):
        del trial.evaluations[event.index - 1 :]
        trial.evaluations.append(event)
        trial.status, trial.ended, trial.message, trial.winner = TrialStatus.RUNNING, None, "", None
    elif isinstance(event, StepLogged):
        while trial.logs and trial.logs[-1].step >= event.step:  # told again after a restart
            trial.logs.pop()
        trial.logs.append(event)
    elif isinstance(event, TrialEnded):
        trial.status, trial.message, trial.ended = TrialStatus(event.status), event.message, event.time
    else:
        for other in trials.values():
            if other.task == event.task:  # a task has one winner's folder, and its weights are now this trial's
                other.winner = None
        trial.winner = event
    return trial


def ranking(trials: Iterable[TrialRecord], task: str) -> list[TrialRecord]:
    """A task's evaluated trials, best first; equals in the order of their numbers."""
    scored = [(t.best_score, t) for t in trials if t.task == task]
    known = [(score, t) for score, t in scored if score is not None]
    return [t for _, t in sorted(known, key=lambda pair: (-pair[0], pair[1].number))]


def winners(trials: Iterable[TrialRecord], tasks: Iterable[str]) -> list[TrialRecord]:
    """The best trial of every task that has one, in the order of ``tasks``.

    A trial that was stopped may win by its best evaluation so far, whose weights are kept; a resume may make it
    better. One that still runs may not.
    """
    ended = [trial for trial in trials if trial.status is not TrialStatus.RUNNING]
    return [best[0] for task in tasks if (best := ranking(ended, task))]
