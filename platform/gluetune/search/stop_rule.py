"""The rule that ends a task's search when further trials are not expected to raise its best score enough."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from gluetune.config import StopRuleConfig
from gluetune.events import JournalEvent, TaskEnded, TrialEnded, TrialRecord, TrialStatus


class StopRule:
    """Estimates after each trial what further ones would gain, and decides when a task gets no more of them.

    The decision depends on the scores of the task's ended trials in the order of their ends, and on nothing else: a
    resumed search makes the same. A trial of a cross-validation that was stopped after some of its folds counts as one
    without a score, because its mean is one of other rows.

    Args:
        rule: the job's settings.
        configurations: number of configurations of each task that train differently; ``None`` where it is not finite.
        clock: gives the current time, in seconds since the epoch.

    Attributes:
        ended: the tasks that get no further trials, to which the controller adds those that would have had some.
    """

    def __init__(
        self, rule: StopRuleConfig, configurations: Mapping[str, int | None], clock: Callable[[], float] = time.time
    ) -> None:
        self._rule, self._configurations, self._clock = rule, configurations, clock
        self._scores = defaultdict[str, list[float | None]](list)
        self._below: dict[str, int] = dict.fromkeys(configurations, 0)  # estimates in a row below the threshold
        self.ended: set[str] = set()

    def replay(self, history: Iterable[JournalEvent], trials: Mapping[int, TrialRecord]) -> list[TaskEnded]:
        """Take over the journal of earlier sessions, before the first call of `trial_ended`.

        Args:
            history: all events.
            trials: the trials, by number.

        Returns:
            The ends of tasks that follow from the journal but are not recorded in it, because the driver was killed.
        """
        due: dict[str, TaskEnded] = {}
        for event in history:
            if isinstance(event, TaskEnded):
                self.ended.add(event.task)
                due.pop(event.task, None)
            elif isinstance(event, TrialEnded) and TrialStatus(event.status).final:
                decided = self.trial_ended(trials[event.number])
                due |= {} if decided is None else {decided.task: decided}
        return list(due.values())

    def trial_ended(self, trial: TrialRecord) -> TaskEnded | None:
        """Take note of the end of a trial.

        Returns:
            The end of the trial's task, if it should get no further trials after this one.
        """
        from gluetune.statistics import further_gain  # imports SciPy

        rule, task = self._rule, trial.task
        cut = trial.complete_folds < trial.folds
        self._scores[task].append(None if cut else trial.best_score)
        if rule.expected_gain_below is None or task in self.ended:
            return None
        further = further_gain(
            self._scores[task],
            further=rule.further_trials,
            min_trials=rule.min_trials,
            configurations=self._configurations[task],
        )
        if further is None:
            return None
        self._below[task] = self._below[task] + 1 if further.gain < rule.expected_gain_below else 0
        if self._below[task] < rule.patience:
            return None
        return TaskEnded(
            time=self._clock(),
            task=task,
            trials=len(self._scores[task]),
            further_trials=further.trials,
            expected_gain=further.gain,
            threshold=rule.expected_gain_below,
            patience=rule.patience,
        )
