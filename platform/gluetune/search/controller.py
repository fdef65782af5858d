"""The controller of a search: decides what every event means, in one place and without Ray.

It takes trials from the sampler, writes the journal, asks the schedulers which trials continue, deletes checkpoints,
and passes events to the listeners. The adapters for Ray Tune (`gluetune.search.tune_adapters`) only translate.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from gluetune.errors import AllTrialsFailedError, StorageError, UserError
from gluetune.events import (
    EndStatus,
    Evaluated,
    Event,
    Journal,
    LaneEvent,
    LaneLost,
    Listener,
    SearchEvent,
    StepLogged,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    TrialStatus,
    format_epochs,
    speed_key,
    trial_folder,
)
from gluetune.lanes import TrialAssignment, describe_deaths
from gluetune.search.schedulers import FoldStopping, TaskPruners, warmup_epochs
from gluetune.search.searchers import TrialSampler
from gluetune.search.session_meter import SessionMeter
from gluetune.search.stop_rule import StopRule
from gluetune.storage import Storage

MAX_INITIAL_FAILURES = 3  # a search whose first trials all failed is given up after so many
PREFETCH_THRESHOLD_S = 0.05  # seconds; trials are chosen ahead only where choosing one takes longer


class CheckpointRetention:
    """Keeps the checkpoints of each task's best ended trials and deletes the others. Running trials keep all.

    Args:
        storage: the search's folder.
        keep: number of trials per task whose checkpoints are kept.
        trials: trials recorded so far.
    """

    def __init__(self, storage: Storage, keep: int, trials: Iterable[TrialRecord] = ()) -> None:
        self._storage, self._keep = storage, keep
        self._best: dict[str, list[tuple[int, float, int, str]]] = defaultdict(list)  # as `ranking` sorts; folder last
        for trial in trials:
            if trial.status.final:
                self.update(trial)

    def update(self, trial: TrialRecord) -> None:
        """Delete the checkpoints that a newly ended trial makes superfluous: another trial's, or its own.

        Raises:
            StorageError: they cannot be deleted.
        """
        if trial.best_score is None:
            self._storage.delete(trial_folder(trial))
            return
        best = self._best[trial.task]
        bisect.insort(best, (-trial.complete_folds, -trial.best_score, trial.number, trial_folder(trial)))
        while len(best) > self._keep:
            self._storage.delete(best.pop()[-1])


class SearchController:
    """Runs one search over its journal.

    Args:
        journal: the search's journal; trials that it holds already are replayed into sampler and pruners.
        sampler: chooses the trials.
        pruners: decide which trials continue.
        retention: deletes checkpoints that are no longer needed.
        listeners: receive every event after it was written.
        lanes: number of trials that run at the same time.
        stop_rule: decides which tasks get no further trials; ``None`` where none is ended.
        meter: measures what the search spends; ``None`` where nothing is recorded of it.
        on_search_event: receives every event of the whole search after it was written.
        clock: returns the current time, in seconds since the epoch.
        folds: number of folds that each trial is trained on; 0 without cross-validation.
        stops_folds: whether trials that cannot win any more are stopped after a fold.

    Attributes:
        in_flight: numbers of the trials that lanes work on.
        fatal_error: why the search cannot continue; ``None`` while it can.
    """

    def __init__(
        self,
        journal: Journal,
        sampler: TrialSampler,
        pruners: TaskPruners,
        retention: CheckpointRetention,
        listeners: Iterable[Listener] = (),
        lanes: int = 1,
        stop_rule: StopRule | None = None,
        meter: SessionMeter | None = None,
        on_search_event: Callable[[SearchEvent], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        *,
        folds: int = 0,
        stops_folds: bool = True,
    ) -> None:
        self._clock = clock
        self._stop_rule, self._meter, self._on_search_event = stop_rule, meter, on_search_event
        self._journal, self._sampler, self._pruners, self._retention = journal, sampler, pruners, retention
        self._listeners, self._lanes = list(listeners), lanes
        self.in_flight: set[int] = set()
        self.fatal_error: UserError | None = None
        self._fastest: dict[Hashable, float] = {}  # milliseconds per row, by what decides them
        self._lane_errors: dict[int, list[str]] = {}  # by trial, in the order of their occurrence
        self._ends, self._all_failed = 0, not any(t.evaluations for t in journal.trials.values())
        sampler.replay(journal.trials.values())
        for trial in journal.trials.values():
            self._ms_per_row(trial)
        pruners.replay(journal.trials.values())
        due = stop_rule.replay(journal.history, journal.trials) if stop_rule else []
        self._due = [event for event in due if sampler.has_further(event.task)]  # not recorded yet
        for task in [*(stop_rule.ended if stop_rule else ()), *(event.task for event in self._due)]:
            self._drop_task(task)
        self._folds = folds
        self._fold_stopping = FoldStopping(journal.trials.values(), stops=stops_folds)

    @property
    def exhausted(self) -> bool:
        """Whether there will be no more trials."""
        return self.fatal_error is not None or self._sampler.exhausted

    @property
    def spent_limit(self) -> str:
        """The limit of the search's budget that is spent, such as ``gpu_hours``; empty where there is none."""
        return self._meter.spent_limit if self._meter else ""

    def next_trial(self) -> TrialAssignment | None:
        """Choose the next trial and record its start.

        Returns:
            The assignment for a lane; ``None`` where there is no trial, for good if `exhausted`.

        Raises:
            StorageError: the journal cannot be written.
        """
        while self._due and not self.fatal_error:
            self.record_search_event(self._due.pop(0))
        while not (self.fatal_error or self.spent_limit) and (spec := self._sampler.ask()) is not None:
            self.record_search_event(self._meter.begin() if self._meter else None)
            self.in_flight.add(spec.number)
            trial = self._journal.trials.get(spec.number)
            if trial is None:
                folds = self._folds or None
                trial = self.record(TrialStarted(time=self._clock(), folds=folds, **dataclasses.asdict(spec)))
            elif trial.status.final:  # a request has ended it before it was resumed
                self.in_flight.discard(spec.number)
            elif trial.evaluations:
                self._end_where_decided(trial)
            if trial.number in self.in_flight:
                return TrialAssignment.from_record(trial)
        return None

    def prefetch(self) -> None:
        """While all lanes work, choose the next trial, so that the first free lane need not wait for the choice.

        This is done only where a choice takes long, because one made ahead cannot use the next result: with TPE, ASHA
        and two lanes that cost 1% (±1) of the epochs of recorded grids (`benchmarks.efficiency`). It is never done with
        a single lane, whose one result is all that there is to learn from between two trials.
        """
        slow = self._sampler.last_ask_seconds >= PREFETCH_THRESHOLD_S
        if slow and self._lanes > 1 and len(self.in_flight) >= self._lanes and self.fatal_error is None:
            self._sampler.prefetch()

    def handle_event(self, event: LaneEvent) -> bool:
        """Record an event of a lane and act on it.

        Args:
            event: the event. It is ignored where its trial has ended.

        Returns:
            Whether the trial continues.

        Raises:
            StorageError: the journal cannot be written.
        """
        if event.number not in self.in_flight:  # reported twice, or of a trial that has ended meanwhile
            return False
        if isinstance(event, TrialEnded):
            if event.status == "stopped":  # lanes report this when they cannot write the trial's files
                self.fatal_error = StorageError(event.message)
            self._finish(self.record(event))
            return False
        if isinstance(event, StepLogged):
            self.record(event)
            return True
        if not isinstance(event, Evaluated):
            raise TypeError(f"a search's lane must report evaluations of trials, but got {event.event}")
        last = self._is_last(event)  # the lane's own end event is then redundant
        trial = self.record(event, *([self._end_event(event.number, "finished")] if last else []))
        self._sampler.report(trial.number, event.index)
        reason = self._reason_to_prune(trial, event)
        if last:
            self._finish(trial)
        elif reason:
            self.end_trial(trial.number, "pruned", reason)
        return trial.number in self.in_flight

    def end_trial(self, number: int, status: EndStatus, message: str = "") -> None:
        """End a trial that a lane works on, or worked on until the lane died.

        Args:
            number: the trial; nothing happens where it has ended.
            status: how it ends.
            message: why.
        """
        if number in self.in_flight:
            self._finish(self.record(self._end_event(number, status, message)))

    def end_for_good(self, number: int, message: str) -> None:
        """End a trial that has not ended, whether a lane works on it or not; no resume continues it.

        Args:
            number: the trial.
            message: why.

        Raises:
            StorageError: the journal cannot be written.
        """
        self._finish(self.record(self._end_event(number, "pruned", message)))

    def assignment(self, number: int) -> TrialAssignment:
        """Return the assignment of a trial that lost its lane, from where the journal ends."""
        return TrialAssignment.from_record(self._journal.trials[number])

    def record_lane_death(self, number: int, message: str) -> None:
        """Record that a lane died over a trial, which may be tried again on another lane, and why."""
        if number in self.in_flight:
            self.record_search_event(LaneLost(time=self._clock(), number=number, message=message))
        self._lane_errors.setdefault(number, []).append(message)

    def fail_trial(self, number: int) -> None:
        """End a trial over which too many lanes died."""
        self.end_trial(number, "failed", describe_deaths("its lane", self._lane_errors.get(number, [])))

    def stop(self, message: str) -> None:
        """Stop all running trials; a resumed search continues them.

        Args:
            message: why.
        """
        for number in sorted(self.in_flight):
            self.end_trial(number, "stopped", message)

    def record(self, *events: Event) -> TrialRecord:
        """Write events of one trial and pass them to the listeners.

        Returns:
            The trial.

        Raises:
            StorageError: the events cannot be written; the search cannot continue.
        """
        try:
            trial = self._journal.append(*events)
        except StorageError as error:
            self.fatal_error = error
            raise
        for event, listener in itertools.product(events, self._listeners):
            listener.on_event(event, trial)
        return trial

    def record_search_event(self, event: SearchEvent | None) -> None:
        """Write an event of the whole search, if there is one, and pass it on.

        Raises:
            StorageError: it cannot be written; the search cannot continue.
        """
        if event is None:
            return
        try:
            self._journal.append_search_event(event)
        except StorageError as error:
            self.fatal_error = error
            raise
        self._on_search_event(event)

    def end_session(self, status: str) -> None:
        """Record the end of the session, once its lanes have ended; nothing where it gave no trial to a lane.

        Args:
            status: how the search ended.
        """
        event = self._meter.end(status) if self._meter else None
        if self.fatal_error is None or not isinstance(self.fatal_error, StorageError):
            self.record_search_event(event)

    def _end_event(self, number: int, status: EndStatus, message: str = "") -> TrialEnded:
        return TrialEnded(time=self._clock(), number=number, status=status, message=message)

    def _end_where_decided(self, trial: TrialRecord) -> None:
        """End a resumed trial if its last evaluation ends it, but the driver was killed before it recorded that."""
        last = trial.all_evaluations[-1]
        if self._is_last(last):
            self.end_trial(trial.number, "finished")
        elif reason := self._reason_to_prune(trial, last):
            self.end_trial(trial.number, "pruned", reason)

    def _is_last(self, event: Evaluated) -> bool:
        """Whether an evaluation is the last one of its trial; with ``patience`` an earlier one may be, too."""
        of_last_fold = event.fold is None or event.fold == self._journal.trials[event.number].folds
        return of_last_fold and event.step >= event.total_steps

    def _reason_to_prune(self, trial: TrialRecord, event: Evaluated) -> str:
        """Return why a trial is pruned after an evaluation, in words; empty where it continues."""
        if event.fold is not None:
            return self._fold_stopping.reason_to_stop(trial)
        continues = self._pruners.report(trial.task, trial.number, event.epoch, trial.best_score, _warmup(trial))
        return "" if continues else f"after {format_epochs(event.epoch)} epochs"

    def _finish(self, trial: TrialRecord) -> None:
        self.in_flight.discard(trial.number)
        self._lane_errors.pop(trial.number, None)
        if not trial.status.final:
            return
        ms_per_row = self._ms_per_row(trial)
        self._sampler.tell(trial.number, trial.status, trial.best_score, ms_per_row, trial.busy_seconds)
        last_epoch = trial.evaluations[-1].epoch if trial.evaluations else 0.0
        self._pruners.complete(trial.task, trial.number, last_epoch, trial.best_score, _warmup(trial))
        self._fold_stopping.complete(trial)
        self._retention.update(trial)
        self._check_initial_failures(trial)
        self._end_task(trial)

    def _end_task(self, trial: TrialRecord) -> None:
        """Choose no further trials of the task of a trial that has ended, where the stopping rule says so."""
        ended = self._stop_rule.trial_ended(trial) if self._stop_rule else None
        if ended is not None and self._sampler.has_further(ended.task):
            self.record_search_event(ended)
            self._drop_task(ended.task)

    def _drop_task(self, task: str) -> None:
        self._sampler.end_task(task)
        if self._stop_rule is not None:
            self._stop_rule.ended.add(task)

    def _ms_per_row(self, trial: TrialRecord) -> float | None:
        """Return the milliseconds per row of a trial, as far as evaluations have shown them."""
        own, key = trial.ms_per_row, speed_key(trial)
        if own is not None:
            self._fastest[key] = min(own, self._fastest.get(key, own))
        return None if own is None else self._fastest[key]

    def _check_initial_failures(self, trial: TrialRecord) -> None:
        self._all_failed = self._all_failed and trial.status is TrialStatus.FAILED
        self._ends += 1
        if self._all_failed and self._ends == MAX_INITIAL_FAILURES:
            self.fatal_error = AllTrialsFailedError(
                f"the first {MAX_INITIAL_FAILURES} trials all failed, the last one with:\n{trial.message}"
            )


def _warmup(trial: TrialRecord) -> float:
    """Epochs of a trial's warm-up; 0 before its first evaluation, when there is no score to judge."""
    last = trial.evaluations[-1] if trial.evaluations else None
    return warmup_epochs(trial.training, last.steps_per_epoch) if last else 0.0
