"""A search's trials in an Optuna journal file, for ``optuna-dashboard``: one study for each task.

The file is a view that nothing reads back: a search is resumed from its own journal alone, and the file is then written
anew. A thread writes it, at most once in `PAUSE_S` seconds, so that no trial waits for the disk.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from gluetune.config import SearchSpace, Value
from gluetune.events import Evaluated, Event, Listener, SearchPlan, TrialEnded, TrialRecord, TrialStarted
from gluetune.search.study.trials import (
    end_of,
    evaluation_step,
    study_directions,
    study_trial,
    trial_attributes,
    value_distributions,
)
from gluetune.storage import Storage
from gluetune.tasks.metrics import value_of_score

logger = logging.getLogger(__name__)
OPTUNA_LOG = "optuna.log"
"""The file's name in a run's folder."""
MAX_TRIALS = 10_000  # of a search that are written; the dashboard shows no more in reasonable time
PAUSE_S = 2.0
_CLOSE_S = 10.0


class _Lines(BaseJournalBackend):
    """Collects what a `JournalStorage` logs, and reads at once, in memory until `flush` writes it to the file."""

    def __init__(self) -> None:
        self._first = 0  # number of the first line that is kept
        self._kept: list[dict[str, Any]] = []
        self._unwritten: list[dict[str, Any]] = []

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Take lines, which the storage reads next."""
        self._kept += logs
        self._unwritten += logs

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the lines from a number on, and forget those before it."""
        self._kept = self._kept[log_number_from - self._first :]
        self._first = log_number_from
        return list(self._kept)

    def flush(self, file: JournalFileBackend) -> None:
        """Append the lines since the last call to the file, in one write."""
        if self._unwritten:
            file.append_logs(self._unwritten)
            self._unwritten = []


class _Given(BaseSampler):
    """Suggests the values that a trial already has."""

    params: Mapping[str, Value]

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return no fields: each has its value."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return no values, see `sample_independent`."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the value of a field."""
        return self.params[param_name]


class _Studies:
    """The studies of a search's tasks, in one storage.

    Args:
        plan: the search.
        space: its search space.
        storage: holds the studies.
    """

    def __init__(self, plan: SearchPlan, space: SearchSpace, storage: JournalStorage) -> None:
        self._space, self._objectives = space, plan.objectives
        self._distributions = value_distributions(space)
        self._metrics = {task.task: task.metric for task in plan.tasks}
        self._sampler = _Given()
        self._studies = {task.task: self._study(task.task, storage) for task in plan.tasks}
        self._trials: dict[int, optuna.Trial] = {}

    def _study(self, task: str, storage: JournalStorage) -> optuna.Study:
        metric = self._metrics[task]
        study = optuna.create_study(
            storage=storage,
            study_name=task,
            directions=study_directions(metric, self._objectives),
            sampler=self._sampler,
        )
        study.set_user_attr("metric", metric)
        return study

    def add(self, trial: TrialRecord) -> None:
        """Add a trial of an earlier session as it is."""
        state, _ = end_of(trial, self._metrics[trial.task], self._objectives)
        if state is TrialState.RUNNING:
            self.start(trial.number, trial.task, trial.params, trial_attributes(trial))
            for each in trial.all_evaluations:
                self.evaluate(trial.number, trial.task, evaluation_step(each), each.score)
            return
        fitting, metric = self._fitting(trial.params), self._metrics[trial.task]
        self._studies[trial.task].add_trial(study_trial(trial, fitting, metric, self._objectives, number=trial.number))

    def start(self, number: int, task: str, params: Mapping[str, Value], attributes: Mapping[str, Any]) -> None:
        """Add a running trial."""
        self._sampler.params = params
        trial = self._studies[task].ask(self._fitting(params))
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        self._trials[number] = trial

    def evaluate(self, number: int, task: str, step: int, score: float) -> None:
        """Add an evaluation of a running trial, where a study may have them."""
        if len(self._objectives) == 1 and score == score and number in self._trials:
            self._trials[number].report(value_of_score(self._metrics[task], score), step)

    def end(self, number: int, task: str, state: TrialState, values: list[float] | None, status: str) -> None:
        """End a running trial; one that a resumed search continues goes on running."""
        if state is TrialState.RUNNING or number not in self._trials:
            return
        trial = self._trials.pop(number)
        trial.set_user_attr("status", status)
        self._studies[task].tell(trial, values if state is TrialState.COMPLETE else None, state)

    def _fitting(self, params: Mapping[str, Value]) -> dict[str, BaseDistribution]:
        """Return distributions that hold a configuration, which a user may have added from outside the space.

        A study can widen the range of a number, but not a categorical field, nor a range on a log scale to 0. Where the
        configuration has such a value, the field is left out.
        """
        fitting = value_distributions(self._space, [params])
        return {name: each for name, each in fitting.items() if name in params and self._holds(name, each)}

    def _holds(self, name: str, fitting: BaseDistribution) -> bool:
        """Return whether the studies take a distribution of a field beside that of the space."""
        try:
            check_distribution_compatibility(self._distributions[name], fitting)
        except ValueError:
            return False
        return True


class OptunaLog:
    """Writes a search's trials to ``optuna.log`` in its folder as they start, are evaluated and end.

    Args:
        plan: the search.
        space: its search space.
        folder: its folder, which must be local: an Optuna journal file cannot lie in a bucket.
        trials: the trials of earlier sessions.
    """

    def __init__(self, plan: SearchPlan, space: SearchSpace, folder: Storage, trials: Iterable[TrialRecord]) -> None:
        self._plan, self._space, self._path = plan, space, folder.uri(OPTUNA_LOG)
        self._metrics = {task.task: task.metric for task in plan.tasks}
        self._queue: deque[tuple[Any, ...]] = deque(("add", trial) for trial in trials if trial.number < MAX_TRIALS)
        self._changed, self._closing = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="gluetune-optuna-log", daemon=True)
        self._thread.start()

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Queue an event."""
        if trial.number >= MAX_TRIALS:
            return
        item: tuple[Any, ...]
        if isinstance(event, TrialStarted):
            item = ("start", event.number, event.task, event.params, trial_attributes(trial))
        elif isinstance(event, Evaluated):
            item = ("evaluate", event.number, trial.task, evaluation_step(event), event.score)
        elif isinstance(event, TrialEnded):
            state, values = end_of(trial, self._metrics[trial.task], self._plan.objectives)
            item = ("end", event.number, trial.task, state, values, event.status)
        else:
            return
        with self._changed:
            self._queue.append(item)

    def close(self) -> None:
        """Write what is left, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        try:
            self._write()
        except Exception as error:  # the file is only a view: the search goes on without it
            logger.warning(f"{self._path} is not written any more: {type(error).__name__}: {error}".splitlines()[0])

    def _write(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        new = f"{self._path}.new"
        Path(new).unlink(missing_ok=True)  # of a session that was killed
        lines = _Lines()
        studies = _Studies(self._plan, self._space, JournalStorage(lines))
        file: JournalFileBackend | None = None
        while True:
            with self._changed:
                closing = self._closing
            while self._queue:
                kind, *arguments = self._queue.popleft()
                getattr(studies, kind)(*arguments)
            if file is None:  # replaces that of an earlier session, once it holds as much
                lines.flush(JournalFileBackend(new))
                os.replace(new, self._path)
                file = JournalFileBackend(self._path)
            lines.flush(file)
            if closing:
                return
            with self._changed:
                self._changed.wait_for(lambda: self._closing, PAUSE_S)


@contextmanager
def optuna_log(
    plan: SearchPlan, space: SearchSpace, folder: Storage, trials: Iterable[TrialRecord]
) -> Iterator[list[Listener]]:
    """Provide the listener that writes ``optuna.log``; none in a bucket, and none where no field is searched.

    Args:
        plan: the search.
        space: its search space.
        folder: its folder.
        trials: the trials of earlier sessions.
    """
    if not folder.local or not space.fields:
        yield []
        return
    log = OptunaLog(plan, space, folder, trials)
    try:
        yield [log]
    finally:
        log.close()
