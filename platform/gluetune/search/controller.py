"""The conductor: decides what every event means, in one place and without Ray.

It deals trials, writes the journal, asks the pruners, keeps the few checkpoints that are worth keeping, and tells the
listeners. The Tune adapters (`gluetune.search.tune`) only translate.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Iterable
from typing import Literal

from gluetune.errors import AllTrialsFailedError, StorageError, UserError
from gluetune.events import (
    Evaluated,
    Event,
    Journal,
    LaneEvent,
    Listener,
    StepLogged,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    TrialStatus,
    format_epochs,
    trial_folder,
)
from gluetune.lanes import TrialAssignment, describe_deaths
from gluetune.search.retention import CheckpointRetention
from gluetune.search.schedulers import TaskPruners, warmup_epochs
from gluetune.search.searchers import TrialSampler

EndStatus = Literal["finished", "pruned", "diverged", "out_of_memory", "failed", "stopped"]

GIVE_UP_AFTER = 3  # trials
AHEAD_FROM_S = 0.05  # seconds that a choice takes; quicker ones are left until they are needed


class SearchController:
    """Runs one search over its journal.

    Args:
        journal: the search's journal; what it holds already is replayed into dealer and pruners.
        dealer: deals the trials.
        pruners: decide which trials go on.
        retention: deletes the losers' checkpoints.
        listeners: hear every event after it was written.
        lanes: trials that run at the same time.
    """

    def __init__(
        self,
        journal: Journal,
        dealer: TrialSampler,
        pruners: TaskPruners,
        retention: CheckpointRetention,
        listeners: Iterable[Listener] = (),
        lanes: int = 1,
    ) -> None:
        self._journal, self._dealer, self._pruners, self._retention = journal, dealer, pruners, retention
        self._listeners, self._lanes = list(listeners), lanes
        self.dealt: set[int] = set()  # trials that lanes work on
        self._lane_errors: dict[int, list[str]] = {}  # by trial, the first one first
        self.broken: UserError | None = None  # why the search cannot go on
        self._ends, self._all_failed = 0, not any(t.evaluations for t in journal.trials.values())
        dealer.replay(journal.trials.values())
        pruners.replay(journal.trials.values())

    @property
    def exhausted(self) -> bool:
        """Whether no more trials will be dealt."""
        return self.broken is not None or self._dealer.exhausted

    def deal(self) -> TrialAssignment | None:
        """The next trial to run; ``None`` if there is none now (see `exhausted`)."""
        deal = None if self.broken else self._dealer.deal()
        if deal is None:
            return None
        self.dealt.add(deal.number)
        trial = self._journal.trials.get(deal.number)
        if trial is None:
            trial = self.record(TrialStarted(time=time.time(), **dataclasses.asdict(deal)))
        return TrialAssignment(
            trial.number,
            trial.task,
            dict(trial.training),
            trial.seed,
            trial_folder(trial),
            reported=len(trial.evaluations),
            logged=trial.logs[-1].step if trial.logs else 0,
        )

    def look_ahead(self) -> None:
        """While all lanes work: chooses the next trial, so that the lane that is free first need not wait for it.

        Only where choices take long, for one made ahead does not know the next result: with TPE, ASHA and two lanes
        that cost 1% (±1) of the epochs of recorded grids (`benchmarks.efficiency`). And never on a single lane,
        where that result is all there is to learn from between two trials.
        """
        slow = self._dealer.choice_s >= AHEAD_FROM_S
        if slow and self._lanes > 1 and len(self.dealt) >= self._lanes and self.broken is None:
            self._dealer.prepare()

    def heard(self, event: LaneEvent) -> bool:
        """Takes in what a lane reports; whether the trial goes on."""
        if event.number not in self.dealt:  # told twice, or of a trial that has ended meanwhile
            return False
        if isinstance(event, TrialEnded):
            if event.status == "stopped":  # lanes say so when they cannot write the trial's files
                self.broken = StorageError(event.message)
            self._ended(self.record(event))
            return False
        if isinstance(event, StepLogged):
            self.record(event)
            return True
        last = _was_last(event, self._journal.trials[event.number])  # its lane need not tell the end
        trial = self.record(event, *([_ending(event.number, "finished")] if last else []))
        self._dealer.evaluated(trial.number, event.index, event.epoch, event.score)
        goes_on = self._pruners.evaluated(trial.task, trial.number, event.epoch, trial.best_score, _warmup(trial))
        if last:
            self._ended(trial)
        elif not goes_on:
            self.end(trial.number, "pruned", f"after {format_epochs(event.epoch)} epochs")
        return trial.number in self.dealt

    def end(self, number: int, status: EndStatus, message: str = "") -> None:
        """Ends a trial that a lane still works on, or worked on until it died."""
        if number in self.dealt:
            self._ended(self.record(_ending(number, status, message)))

    def lane_died(self, number: int, message: str) -> None:
        """A lane died over a trial, which may be tried again on another one."""
        self._lane_errors.setdefault(number, []).append(message)

    def give_up(self, number: int) -> None:
        """Ends a trial over which too many lanes died."""
        self.end(number, "failed", describe_deaths("its lane", self._lane_errors.get(number, [])))

    def stop(self, message: str) -> None:
        """Stops all trials that run; a resumed search goes on with them."""
        for number in sorted(self.dealt):
            self.end(number, "stopped", message)

    def record(self, *events: Event) -> TrialRecord:
        """Writes events of one trial and tells the listeners.

        Raises:
            StorageError: they cannot be written; the search is broken.
        """
        try:
            trial = self._journal.append(*events)
        except StorageError as error:
            self.broken = error
            raise
        for event, listener in itertools.product(events, self._listeners):
            listener.on_event(event, trial)
        return trial

    def _ended(self, trial: TrialRecord) -> None:
        self.dealt.discard(trial.number)
        self._lane_errors.pop(trial.number, None)
        if not trial.status.final:
            return
        self._dealer.ended(trial.number, trial.status, trial.best_score)
        last_epoch = trial.evaluations[-1].epoch if trial.evaluations else 0.0
        self._pruners.ended(trial.task, trial.number, last_epoch, trial.best_score, _warmup(trial))
        self._retention.ended(trial)
        self._check(trial)

    def _check(self, trial: TrialRecord) -> None:
        """Gives the search up when its first trials all failed: the rest would too."""
        self._all_failed = self._all_failed and trial.status is TrialStatus.FAILED
        self._ends += 1
        if self._all_failed and self._ends == GIVE_UP_AFTER:
            self.broken = AllTrialsFailedError(
                f"the first {GIVE_UP_AFTER} trials all failed, the last one so:\n{trial.message}"
            )


def _ending(number: int, status: EndStatus, message: str = "") -> TrialEnded:
    return TrialEnded(time=time.time(), number=number, status=status, message=message)


def _warmup(trial: TrialRecord) -> float:
    """Epochs of a trial's warm-up; 0 before its first evaluation, when there is nothing to judge."""
    last = trial.evaluations[-1] if trial.evaluations else None
    return warmup_epochs(trial.training, round(last.step / last.epoch)) if last else 0.0


def _was_last(event: Evaluated, trial: TrialRecord) -> bool:
    """Whether a trial is at its end: what it is known by was saved before it told this."""
    total = trial.training["max_steps"]
    if not total:  # as `gluetune.training.plan` has it: an epoch that was asked for may end between two steps
        epochs = trial.training["num_train_epochs"]
        assert epochs is not None
        total = math.ceil(float(epochs) * round(event.step / event.epoch))
    return event.step >= int(total)
