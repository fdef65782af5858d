"""One order on one lane, without a search around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gluetune.errors import ClusterError
from gluetune.events import Event, Journal, Listener, TrialEnded, TrialRecord, TrialStarted, TrialStatus, trial_folder
from gluetune.lanes import LaneError, LaneSpec, RemoteLane, TrialAssignment, describe_deaths


class SingleTrialRunner:
    """Carries out one order, records what the lane tells, and takes a new lane where one is lost.

    Args:
        spec: what the lane is made of; ``max_failures`` counts for lanes as for workers.
        journal: the run's journal; what it holds already is not told again.
        listeners: hear every event after it was written.
        on_stop: called where a stop signal ends the run, before its lane is ended, which takes seconds.
    """

    def __init__(
        self,
        spec: LaneSpec,
        journal: Journal,
        listeners: Iterable[Listener],
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._spec, self._journal, self._listeners, self._on_stop = spec, journal, list(listeners), on_stop

    def carry_out(self, start: TrialStarted) -> TrialRecord:
        """Runs to the end.

        Args:
            start: says what is run; not recorded again where a run goes on.

        Returns:
            The trial, ended; stopped where somebody interrupted.

        Raises:
            ClusterError: lanes were lost too often.
        """
        trial = self._journal.trials.get(start.number) or self.record(start)
        reasons: list[str] = []
        while not trial.status.final:
            try:
                trial = self._follow(trial)
            except LaneError as error:
                reasons.append(str(error))
                if len(reasons) > self._spec.max_failures:
                    why = describe_deaths("its lane", reasons)
                    self._end(trial, "stopped", why)  # the trial is not to blame: a resume goes on with it
                    raise ClusterError(f"the run was given up: {why}") from error
            except KeyboardInterrupt:
                return self._stopped(start.number)
        return trial

    def record(self, event: Event) -> TrialRecord:
        """Writes an event and tells the listeners."""
        trial = self._journal.append(event)
        for listener in self._listeners:
            listener.on_event(event, trial)
        return trial

    def _follow(self, trial: TrialRecord) -> TrialRecord:
        lane = RemoteLane(self._spec)
        try:
            lane.assign(
                TrialAssignment(
                    trial.number,
                    trial.task,
                    dict(trial.training),
                    trial.seed,
                    trial_folder(trial),
                    reported=len(trial.evaluations),
                    logged=trial.logs[-1].step if trial.logs else 0,
                )
            )
            while True:
                trial = self.record(lane.next_event())
                if trial.status is not TrialStatus.RUNNING:
                    return trial
        except KeyboardInterrupt:
            self._stopped(trial.number)
            raise
        finally:
            lane.close()

    def _stopped(self, number: int) -> TrialRecord:
        """The trial, which a stop signal ends if it has not ended yet."""
        trial = self._journal.trials[number]
        if trial.status is TrialStatus.RUNNING:
            trial = self._end(trial, "stopped", "interrupted")
            self._on_stop()
        return trial

    def _end(self, trial: TrialRecord, status: str, message: str) -> TrialRecord:
        return self.record(
            TrialEnded.model_validate(
                {"time": time.time(), "number": trial.number, "status": status, "message": message}
            )
        )
