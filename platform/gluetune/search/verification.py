"""Verification: the winners of a search trained again from its record alone, and compared with what it recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ray

from gluetune.config import JobConfig, SearchSpace, resolve_training
from gluetune.errors import ClusterError
from gluetune.events import Evaluated, LaneEvent, TrialEnded, TrialRecord, TrialStarted, apply_event
from gluetune.lanes import LaneError, LanePool, Lease, TrialAssignment, resolve_event

_COMPARED = ("fold", "step", "score", "eval_loss", "train_loss")
"""Fields of an evaluation that are the same to the bit where the training is; the others are times and counts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between a recorded trial and the same trial trained again.

    Attributes:
        evaluation: position of the evaluation, counted from 1.
        field: what differs, such as ``score``; ``end`` where one of the two has fewer evaluations.
        recorded: the recorded value.
        now: the value now.
    """

    evaluation: int
    field: str
    recorded: float | None
    now: float | None


def first_difference(recorded: TrialRecord, again: TrialRecord) -> Difference | None:
    """Return the first difference of two trials; ``None`` where all evaluations are equal to the bit."""
    pairs = zip(recorded.all_evaluations, again.all_evaluations, strict=False)
    for position, (one, other) in enumerate(pairs, 1):
        for field in _COMPARED:
            values = getattr(one, field), getattr(other, field)
            if not _same(*values):
                return Difference(position, field, *values)
    before, now = len(recorded.all_evaluations), len(again.all_evaluations)
    return None if before == now else Difference(min(before, now) + 1, "end", before, now)


def _same(one: float | None, other: float | None) -> bool:
    return one == other or (one != one and other != other)


def contradictions(job: JobConfig, space: SearchSpace, trial: TrialRecord) -> Iterator[str]:
    """Yield the settings of a recorded trial that do not follow from job and search space, in words."""
    training = resolve_training(job, space, trial.params)
    seed = job.seed if training.seed is None else training.seed
    if seed != trial.seed:
        yield f"seed is {trial.seed} in the journal, {seed} by job and search space"
    for field, value in training.model_dump().items():
        if field in trial.training and trial.training[field] != value:
            yield f"{field} is {trial.training[field]} in the journal, {value} by job and search space"


def train_again(pool: LanePool, lanes: int, trials: Iterable[TrialRecord]) -> Iterator[tuple[TrialRecord, TrialRecord]]:
    """Train trials again on lanes, each from its start to its last recorded evaluation.

    Args:
        pool: leases the lanes, whose folder is not that of the recorded search.
        lanes: number of lanes to use at the same time.
        trials: the recorded trials.

    Yields:
        Each trial with its new record, as they end.

    Raises:
        ClusterError: a lane died.
    """
    waiting, running = deque(trials), dict[Any, _Rerun]()
    try:
        while waiting or running:
            while waiting and len(running) < lanes:
                rerun = _Rerun.start(pool, waiting.popleft())
                running[rerun.lease.request_event()] = rerun
            (done,), _ = ray.wait(list(running), num_returns=1)
            rerun = running.pop(done)
            try:
                event = resolve_event(done)
            except LaneError as error:
                reason = pool.death_reason(rerun.lease) or str(error)
                raise ClusterError(f"{rerun.recorded.name} could not be trained again: {reason}") from error
            if rerun.continues(event):
                running[rerun.lease.request_event()] = rerun
            else:
                pool.release(rerun.lease)
                yield rerun.recorded, rerun.again
    finally:
        for rerun in running.values():
            pool.release(rerun.lease)


@dataclass(frozen=True)
class _Rerun:
    """A recorded trial that a lane trains again."""

    recorded: TrialRecord
    again: TrialRecord
    lease: Lease

    @classmethod
    def start(cls, pool: LanePool, recorded: TrialRecord) -> _Rerun:
        started = TrialStarted(
            time=recorded.started,
            number=recorded.number,
            task=recorded.task,
            params=recorded.params,
            training=recorded.training,
            seed=recorded.seed,
            folds=recorded.folds or None,
        )
        again = apply_event({}, started)
        return cls(recorded, again, pool.lease(TrialAssignment.from_record(again)))

    def continues(self, event: LaneEvent | None) -> bool:
        """Apply an event; return whether there is more to train."""
        if event is None:
            return False
        apply_event({self.again.number: self.again}, event)
        ended = isinstance(event, TrialEnded)
        enough = isinstance(event, Evaluated) and self.again.reported >= self.recorded.reported
        if enough and not ended:  # the last fold of a cross-validation counts once its trial has ended
            status: Any = str(self.recorded.status)
            end = TrialEnded(time=event.time, number=event.number, status=status)
            apply_event({self.again.number: self.again}, end)
        return not (ended or enough)
