"""The sampler of a search over many tasks, which divides trials between tasks by weight."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gluetune.config import MODEL_FIELD, Algorithm, SearchSpace, TaskFacts, TrainingConfig, Value, equivalence_key
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.events import TrialRecord, TrialStatus, row_times
from gluetune.search.searchers.added import AddedConfigs
from gluetune.search.searchers.algorithms import make_sampler
from gluetune.search.searchers.sampler import Sampler, TrialResult
from gluetune.search.searchers.space import EncodedConfig, EncodedSpace
from gluetune.search.searchers.task_shares import TaskShares


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """A trial that is to be run.

    Attributes:
        number: position among all trials of the search, counted from 0.
        task: name of the task.
        params: values of the searched fields, the encoder's as ``model`` where there are several.
        training: the whole `TrainingConfig`: fixed fields of the space, overridden by the job's, overridden by
            ``params``.
        seed: seed of head, dropout and data order.
    """

    number: int
    task: str
    params: dict[str, Value]
    training: dict[str, Value | None]
    seed: int


class _KnownConfigs:
    """The configurations of a task that were chosen, and all others that train the same as one of them."""

    def __init__(self, space: EncodedSpace) -> None:
        self._identity, self._seen = space.identity, set[Hashable]()

    def __contains__(self, config: object) -> bool:
        return isinstance(config, tuple) and self._identity(config) in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, config: EncodedConfig) -> None:
        self._seen.add(self._identity(config))


class _TaskSearch:
    """The configurations of one task: those that were added, points to try first, then what its sampler suggests.

    Added configurations do not count towards the number of trials that the sampler may choose.
    """

    def __init__(
        self, space: EncodedSpace, sampler: Sampler, first: Iterable[EncodedConfig], num_samples: int | None
    ) -> None:
        self.space, self.sampler = space, sampler
        self.asked, self.num_samples = 0, num_samples
        self.added = AddedConfigs(space)
        self._first = deque(dict.fromkeys(first))
        self._known = _KnownConfigs(space)
        self._covered = False
        self.stopped = False  # whether the search gives the task no further trials

    @property
    def planned(self) -> int | None:
        chosen = None if self.num_samples is None else self.num_samples + len(self.added)
        size = None if self.space.size is None else self.space.size + self.added.outside
        return min((limit for limit in (chosen, size) if limit is not None), default=None)

    @property
    def ended(self) -> bool:
        if self.added.waiting:
            return False
        enough = self.num_samples is not None and self.asked >= self.num_samples
        return (
            enough
            or self._covered
            or self.stopped
            or (self.space.size is not None and len(self._known) >= self.space.size)
        )

    def ask_added(self) -> tuple[EncodedConfig | None, dict[str, Value]] | None:
        """Return the next configuration that was added, its codes and its values; ``None`` where none waits."""
        while self.added.waiting:
            params = self.added.waiting.popleft()
            config = self.added.encode(params)
            if config is None:
                return None, params
            if config not in self._known:
                self.resume(config)
                return config, self.space.decode(config)
        return None

    def ask(self) -> EncodedConfig | None:
        """Return the next configuration; ``None`` where all are known, which ends the task."""
        while self._first:
            config = self._first.popleft()
            if config not in self._known:
                self.resume(config)
                return config
        suggestion = self.sampler.suggest(self._known)
        if suggestion is None:
            self._covered = True
        else:
            self._add(suggestion)
        return suggestion

    def resume(self, config: EncodedConfig) -> None:
        self._add(config)
        self.sampler.enqueue(config)

    def replay(self, config: EncodedConfig, result: TrialResult) -> None:
        self._add(config)
        self.sampler.replay(config, result)

    def _add(self, config: EncodedConfig) -> None:
        self._known.add(config)
        self.asked += config not in self.added


class TrialSampler:
    """Chooses the trials of a search. It chooses no configuration of a task twice, nor one that trains the same.

    The next trial is one of the task with the fewest trials, or seconds, per weight. A task whose space is
    covered, that has its ``num_samples``, or that `end_task` has ended, gets no more trials. A configuration that was
    added goes before all that were not chosen yet, also for such a task.

    Args:
        tasks: weight of each task by name.
        space: the search space, with the points to try first.
        algorithm: a key of `ALGORITHMS`.
        training: the job's training settings; the space may set fields that the job does not set explicitly.
        seed: the job's seed.
        num_samples: number of trials per task; ``None`` for all of a finite space, and for no limit in others.
        facts: by task and encoder, what decides beside a configuration what a trial trains; by an empty name where the
            space does not choose among encoders.
        objectives: number of objectives, as that of `make_sampler`.
        max_trials: number of trials of all tasks together; ``None`` for no limit.
        by_time: whether tasks get equal time per weight, instead of equal numbers of trials.

    Raises:
        ConfigError: a weight is not positive, a point is outside the space, or the algorithm does not fit the space.

    Attributes:
        last_ask_seconds: seconds that the last choice of a trial took.
    """

    def __init__(
        self,
        tasks: Mapping[str, float],
        space: SearchSpace,
        algorithm: Algorithm,
        training: TrainingConfig,
        seed: int,
        num_samples: int | None,
        facts: Mapping[str, Mapping[str, TaskFacts]] | None = None,
        objectives: int = 1,
        max_trials: int | None = None,
        by_time: bool = False,
    ) -> None:
        wrong = [
            ConfigIssue(f"tasks.{task}", f"`weight > 0` must hold, but got {weight}")
            for task, weight in tasks.items()
            if not weight > 0
        ]
        if wrong:
            raise ConfigError(wrong)
        self._space, self._training, self._seed = space, training, seed
        self._max_trials, self._shares = max_trials, TaskShares(tasks, by_time=by_time)
        self._searches: dict[str, _TaskSearch] = {}
        for task in tasks:
            encoded = EncodedSpace(space, _effect_of(space, training, (facts or {}).get(task, {})))
            first = [encoded.encode(point) for point in _points(space)]
            sampler = make_sampler(algorithm, encoded, task, seed, num_samples, objectives)
            self._searches[task] = _TaskSearch(encoded, sampler, first, num_samples)
        self._next_number = 0
        self._unfinished: deque[TrialSpec] = deque()
        self._prefetched: TrialSpec | None = None
        self.last_ask_seconds = 0.0
        self._running: dict[int, tuple[str, EncodedConfig | None]] = {}  # without codes: outside the space
        self._evaluations: dict[int, int] = {}

    @property
    def exhausted(self) -> bool:
        """Whether there will be no more trials."""
        return not self._unfinished and self._prefetched is None and self._all_ended

    def planned(self, task: str) -> int | None:
        """Return the number of trials that the task will have; ``None`` where only the time budget ends them."""
        own = self._searches[task].planned
        if self._max_trials is None:
            return own
        return self._shares.divide(self._max_trials, {name: each.planned for name, each in self._searches.items()})[
            task
        ]

    def has_further(self, task: str) -> bool:
        """Return whether the algorithm may choose further trials of a task, or has chosen one that was not started."""
        ahead = self._prefetched is not None and self._prefetched.task == task
        return ahead or not (self._searches[task].ended or self._used_up)

    def end_task(self, task: str) -> None:
        """Choose no further trials of a task; those that were interrupted are still continued."""
        search, prefetched = self._searches[task], self._prefetched
        if prefetched is not None and prefetched.task == task and not search.added.has(prefetched.params):
            self._running.pop(prefetched.number)
            self._next_number, self._prefetched = prefetched.number, None
        search.stopped = True

    def configurations(self, task: str) -> int | None:
        """Return the number of configurations that train differently; ``None`` where it is not finite."""
        return self._searches[task].space.size

    def extend(self, num_samples: int | None) -> None:
        """Set the number of trials per task that the algorithm may choose.

        The algorithm itself keeps the number that it was made for: its random start and its population do not change.
        """
        for search in self._searches.values():
            search.num_samples = num_samples

    def add(self, task: str, params: Mapping[str, Value]) -> None:
        """Have a configuration trained next, unless an earlier session has done so.

        It need not lie in the space. The algorithm learns from its result where it does.

        Args:
            task: the task.
            params: a value for each searched field.
        """
        self._searches[task].added.add(params)

    def identity(self, task: str, params: Mapping[str, Value]) -> Hashable:
        """Return what a configuration of a task trains: equal for configurations that train the same."""
        return self._searches[task].added.identity(params)

    def was_added(self, task: str, params: Mapping[str, Value]) -> bool:
        """Return whether a configuration of a task, or one that trains the same, was added."""
        return self._searches[task].added.has(params)

    def ask(self) -> TrialSpec | None:
        """Return the next trial: unfinished ones of an earlier session first; ``None`` where `exhausted`."""
        if self._unfinished:
            return self._unfinished.popleft()
        self.prefetch()
        spec, self._prefetched = self._prefetched, None
        return spec

    def prefetch(self) -> None:
        """Choose the next trial now, so that the next `ask` returns at once.

        The choice does not use results that come between now and then. If the search ends before, a resumed one makes
        the choice again.
        """
        if self._prefetched is None and not self._all_ended:
            began = time.monotonic()
            self._prefetched = self._choose()
            self.last_ask_seconds = time.monotonic() - began

    @property
    def _used_up(self) -> bool:
        return self._max_trials is not None and self._next_number >= self._max_trials

    @property
    def _all_ended(self) -> bool:
        return self._used_up or all(search.ended for search in self._searches.values())

    def _choose(self) -> TrialSpec | None:
        for task, search in self._searches.items():
            if (added := search.ask_added()) is not None:
                config, params = added
                return self._start(task, config, params)
        while not self._all_ended:
            task = self._shares.neediest({task: each.asked for task, each in self._searches.items() if not each.ended})
            if (config := self._searches[task].ask()) is not None:
                return self._start(task, config, self._searches[task].space.decode(config))
        return None

    def _start(self, task: str, config: EncodedConfig | None, params: dict[str, Value]) -> TrialSpec:
        number, self._next_number = self._next_number, self._next_number + 1
        self._running[number] = (task, config)
        training = self._space.resolve(self._training, params)
        seed = self._seed if training.seed is None else training.seed
        return TrialSpec(number, task, params, training.model_dump(), seed)

    def report(self, number: int, index: int) -> None:
        """Take note of an evaluation.

        Args:
            number: the trial.
            index: position of the evaluation among the trial's, counted from 1.
        """
        self._evaluations[number] = index

    def tell(
        self,
        number: int,
        status: TrialStatus,
        best_score: float | None,
        ms_per_row: float | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Take note of the end of a trial.

        A second end of a trial changes nothing, nor does that of a ``stopped`` trial, which a resume continues.

        Args:
            number: the trial.
            status: how it ended.
            best_score: its best score; ``None`` or NaN where it has none.
            ms_per_row: milliseconds that evaluating a row took; ``None`` where it is not known.
            seconds: seconds that it spent in training and evaluation.
        """
        if not status.final or number not in self._running:
            return
        task, config = self._running.pop(number)
        result = _result(status, best_score, self._evaluations.pop(number, 0), ms_per_row)
        if config is not None:
            self._searches[task].sampler.tell(config, result)
        self._shares.ended(task, seconds)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Take over the trials of an earlier session of this search, before the first `ask`.

        Results of ended trials go to the algorithms. `ask` returns the others first, with their numbers and settings.
        Configurations that were added are to be added before.
        """
        known = sorted(trials, key=lambda trial: trial.number)
        times = row_times(known)
        for trial in known:
            search = self._searches[trial.task]
            config = search.added.started(trial.params)
            if trial.status.final:
                if config is not None:
                    search.replay(config, _result_of(trial, times.get(trial.number)))
                self._shares.ended(trial.task, trial.busy_seconds)
            else:
                if config is not None:
                    search.resume(config)
                self._running[trial.number] = (trial.task, config)
                self._unfinished.append(TrialSpec(trial.number, trial.task, trial.params, trial.training, trial.seed))
            self._next_number = max(self._next_number, trial.number + 1)


def _result(status: TrialStatus, score: float | None, evaluations: int, ms_per_row: float | None) -> TrialResult:
    return TrialResult(status, score if score is not None and math.isfinite(score) else None, evaluations, ms_per_row)


def _result_of(trial: TrialRecord, ms_per_row: float | None) -> TrialResult:
    return _result(trial.status, trial.best_score, trial.reported, ms_per_row)


def _points(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Yield the configurations to try first, one of each encoder in turn where the space chooses among several."""
    for turn in itertools.zip_longest(*(part.points for part in space.parts.values())):
        for name, point in zip(space.parts, turn, strict=True):
            if point is not None:
                yield {MODEL_FIELD: name, **point} if space.encoders else point


def _effect_of(
    space: SearchSpace,
    training: TrainingConfig,
    facts: Mapping[str, TaskFacts],
) -> Callable[[Mapping[str, Value]], Hashable]:
    """Map values of some searched fields to what they make of a trial whose other fields are as in the job."""
    fixed: dict[str, dict[str, Any]] = {name: part.resolve(training).model_dump() for name, part in space.parts.items()}

    def effect(params: Mapping[str, Value]) -> Hashable:
        model = str(params[MODEL_FIELD]) if space.encoders else ""
        return equivalence_key({**fixed[model], **params}, facts.get(model, TaskFacts()))

    return effect
