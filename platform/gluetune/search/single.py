"""One trial on one lane, without a search: used for pre-training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gluetune.errors import ClusterError
from gluetune.events import Event, Journal, Listener, TrialEnded, TrialRecord, TrialStarted, TrialStatus
from gluetune.lanes import LaneError, LanePool, TrialAssignment, describe_deaths


class SingleTrialRunner:
    """Runs one trial, records its events, and starts a new lane where one dies.

    Args:
        pool: leases the lane; ``max_failures`` of its lanes limits the deaths of lanes as well as of workers.
        journal: the run's journal; evaluations that it holds already are not reported again.
        listeners: receive every event after it was written.
        on_stop: called when a stop signal ends the run, before its lane is ended, which takes seconds.
    """

    def __init__(
        self,
        pool: LanePool,
        journal: Journal,
        listeners: Iterable[Listener],
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool, self._journal, self._listeners, self._on_stop = pool, journal, list(listeners), on_stop

    def run(self, start: TrialStarted) -> TrialRecord:
        """Run the trial to its end.

        Args:
            start: the trial; recorded unless the run is resumed.

        Returns:
            The ended trial; its status is ``stopped`` after a stop signal.

        Raises:
            ClusterError: too many lanes died.
            StorageError: the journal cannot be written.
        """
        trial = self._journal.trials.get(start.number) or self.record(start)
        reasons: list[str] = []
        while not trial.status.final:
            try:
                trial = self._run_on_lane(trial)
            except LaneError as error:
                reasons.append(str(error))
                if len(reasons) > self._pool.max_failures:
                    message = describe_deaths("its lane", reasons)
                    self._stop(trial, message)  # not failed: a resume continues the trial
                    raise ClusterError(f"the run was given up: {message}") from error
            except KeyboardInterrupt:
                return self._stop_running(start.number)
        return trial

    def record(self, event: Event) -> TrialRecord:
        """Write an event, pass it to the listeners, and return its trial.

        Raises:
            StorageError: the event cannot be written.
        """
        trial = self._journal.append(event)
        for listener in self._listeners:
            listener.on_event(event, trial)
        return trial

    def _run_on_lane(self, trial: TrialRecord) -> TrialRecord:
        lease = self._pool.lease(TrialAssignment.from_record(trial))
        try:
            while (event := lease.next_event()) is not None:
                trial = self.record(event)
                if trial.status is not TrialStatus.RUNNING:
                    break
            return trial
        except LaneError as error:
            raise LaneError(self._pool.death_reason(lease) or str(error)) from error
        except KeyboardInterrupt:
            self._stop_running(trial.number)
            raise
        finally:
            self._pool.release(lease)

    def _stop_running(self, number: int) -> TrialRecord:
        """Record the stop of a trial that has not ended yet."""
        trial = self._journal.trials[number]
        if trial.status is TrialStatus.RUNNING:
            trial = self._stop(trial, "interrupted")
            self._on_stop()
        return trial

    def _stop(self, trial: TrialRecord, message: str) -> TrialRecord:
        return self.record(TrialEnded(time=time.time(), number=trial.number, status="stopped", message=message))
