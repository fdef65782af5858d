"""Gaps between trials on a lane, and the share of time that lanes train and evaluate."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from gluetune.events import TrialRecord


@dataclass(frozen=True)
class TrialTimes:
    """The times of a trial's training.

    Attributes:
        began: when its first training step began, in seconds since the epoch.
        ended: when its last evaluation was done.
        busy_s: seconds inside training steps, batches included, and evaluations.
    """

    began: float
    ended: float
    busy_s: float


def from_record(trial: TrialRecord) -> TrialTimes:
    """Compute the times of one of gluetune's trials.

    A lane reports an evaluation once its weights are saved, some milliseconds after it was done.

    Args:
        trial: one that was evaluated.
    """
    first, last = trial.evaluations[0], trial.evaluations[-1]
    busy = sum(evaluation.train_seconds + evaluation.eval_seconds for evaluation in trial.evaluations)
    return TrialTimes(first.time - first.train_seconds - first.eval_seconds, last.time, busy)


def from_clock(times: Mapping[str, Any]) -> TrialTimes:
    """Compute the times of a baseline's trial from a `benchmarks.baselines.trial.StepClock`'s record."""
    return TrialTimes(times["first_step"], times["busy_until"], times["busy_seconds"])


def gaps(trials: Iterable[TrialTimes], lanes: int) -> list[float]:
    """Seconds from the end of a lane's last step or evaluation of a trial to its first step of the next one.

    Trials without a recorded lane are assigned, in the order they began, to the lane that was free first.
    """
    ends: list[float] = []
    found: list[float] = []
    for trial in sorted(trials, key=lambda trial: trial.began):
        if len(ends) == lanes:
            found.append(trial.began - heapq.heappop(ends))
        heapq.heappush(ends, trial.ended)
    return found


def recorded_gaps(trials: Iterable[TrialRecord]) -> list[float]:
    """Seconds from a lane's last step or evaluation of a trial to its first step of the next, as lanes recorded it."""
    return [e.idle_seconds_before for trial in trials for e in trial.evaluations if e.idle_seconds_before is not None]


def percentile(values: Sequence[float], share: int) -> float:
    """A percentile, between the two nearest values; a single value is all of them."""
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[share - 1]


def utilisation(trials: Sequence[TrialTimes], lanes: int) -> float:
    """Busy seconds ÷ (lanes × seconds from the first trial's first step to the end of the last evaluation)."""
    wall = max(trial.ended for trial in trials) - min(trial.began for trial in trials)
    return sum(trial.busy_s for trial in trials) / (lanes * wall)
