"""One search over many tasks: deals each lane its next trial, fairly between tasks."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gluetune.config import Algorithm, SearchSpace, TaskFacts, TrainingConfig, Value, trained
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.events import TrialRecord, TrialStatus
from gluetune.search.searchers.algorithms import ALGORITHMS
from gluetune.search.searchers.sampler import Outcome, Sampler
from gluetune.search.searchers.space import EncodedSpace, Key


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """One trial to be trained.

    Attributes:
        number: counts trials of the whole search from 0.
        task: the task's name.
        params: the searched fields.
        training: the whole `TrainingConfig`: the space's fixed fields, under what the job sets, under ``params``.
        seed: seed of head, dropout and data order.
    """

    number: int
    task: str
    params: dict[str, Value]
    training: dict[str, Value | None]
    seed: int


class _Known:
    """Configurations of a task that have been dealt; a key that trains the same as one of them is known too."""

    def __init__(self, space: EncodedSpace) -> None:
        self._identity, self._seen = space.identity, set[Hashable]()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and self._identity(key) in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, key: Key) -> None:
        self._seen.add(self._identity(key))


class _TaskSearch:
    """One task's configurations: points to try first, then what the sampler suggests."""

    def __init__(self, space: EncodedSpace, sampler: Sampler, first: Iterable[Key], num_samples: int | None) -> None:
        self.space, self.sampler = space, sampler
        self.dealt, self._num_samples = 0, num_samples
        self._first = deque(dict.fromkeys(first))
        self._known = _Known(space)
        self._covered = False

    @property
    def planned(self) -> int | None:
        return min((limit for limit in (self._num_samples, self.space.size) if limit is not None), default=None)

    @property
    def ended(self) -> bool:
        enough = self._num_samples is not None and self.dealt >= self._num_samples
        return enough or self._covered or (self.space.size is not None and len(self._known) >= self.space.size)

    def next(self) -> Key | None:
        """The next configuration; ``None`` where no other one is left, and the task has ended."""
        while self._first:
            key = self._first.popleft()
            if key not in self._known:
                self.resume(key)
                return key
        suggestion = self.sampler.suggest(self._known)
        if suggestion is None:
            self._covered = True
        else:
            self._add(suggestion)
        return suggestion

    def resume(self, key: Key) -> None:
        self._add(key)
        self.sampler.begin(key)

    def replay(self, key: Key, outcome: Outcome) -> None:
        self._add(key)
        self.sampler.replay(key, outcome)

    def _add(self, key: Key) -> None:
        self._known.add(key)
        self.dealt += 1


class TrialSampler:
    """Deals trials. No configuration of a task is dealt twice, nor one that trains the same as another.

    The next trial goes to the task with the smallest number of trials dealt per weight, the first of equals. A task
    whose space is covered, or that has its ``num_samples``, drops out.

    Args:
        tasks: weight by task name.
        space: what varies, and the points to try first.
        algorithm: a key of `ALGORITHMS`.
        training: the job's training settings; fields it does not set explicitly may be set by the space.
        seed: the job's seed.
        num_samples: trials per task; ``None``: all of a finite space, without end for others.
        facts: by task, what decides beside a configuration what is trained.

    Raises:
        ConfigError: a weight is not positive, a point is outside the space, or the algorithm does not fit the space.

    Attributes:
        choice_s: seconds that the last choice of a trial took.
    """

    def __init__(
        self,
        tasks: Mapping[str, float],
        space: SearchSpace,
        algorithm: Algorithm,
        training: TrainingConfig,
        seed: int,
        num_samples: int | None,
        facts: Mapping[str, TaskFacts] | None = None,
    ) -> None:
        wrong = [
            ConfigIssue(f"tasks.{task}", f"`weight > 0` must hold, but got {weight}")
            for task, weight in tasks.items()
            if not weight > 0
        ]
        if wrong:
            raise ConfigError(wrong)
        self._searched, self._training, self._seed = space, training, seed
        self._weights = dict(tasks)
        self._searches: dict[str, _TaskSearch] = {}
        for task in tasks:
            coded = EncodedSpace(space, _trained_in(space, training, (facts or {}).get(task, TaskFacts())))
            first = [coded.encode(point) for point in space.points]
            sampler = ALGORITHMS[algorithm](coded, task, seed, num_samples)
            self._searches[task] = _TaskSearch(coded, sampler, first, num_samples)
        self._numbers = 0
        self._unfinished: deque[TrialSpec] = deque()
        self._ready: TrialSpec | None = None
        self.choice_s = 0.0
        self._running: dict[int, tuple[str, Key]] = {}
        self._evaluations: dict[int, int] = {}

    @property
    def exhausted(self) -> bool:
        """Whether no further trial will ever be dealt."""
        return not self._unfinished and self._ready is None and self._all_ended

    def planned(self, task: str) -> int | None:
        """Trials the task will have in the end, ``None`` where only time ends it."""
        return self._searches[task].planned

    def configurations(self, task: str) -> int | None:
        """Configurations of the space that train differently, ``None`` where they are not finitely many."""
        return self._searches[task].space.size

    def deal(self) -> TrialSpec | None:
        """The next trial, ``None`` when the search is `exhausted`; unfinished trials of an earlier run come first."""
        if self._unfinished:
            return self._unfinished.popleft()
        self.prepare()
        deal, self._ready = self._ready, None
        return deal

    def prepare(self) -> None:
        """Makes the next trial's choice now, so that the next `deal` need not wait for it.

        The choice does not know what is learnt between now and then. Nothing is lost with a search that ends before:
        a resumed one makes the choice again.
        """
        if self._ready is None and not self._all_ended:
            began = time.monotonic()
            self._ready = self._choose()
            self.choice_s = time.monotonic() - began

    @property
    def _all_ended(self) -> bool:
        return all(search.ended for search in self._searches.values())

    def _choose(self) -> TrialSpec | None:
        while not self._all_ended:
            task = min((task for task, search in self._searches.items() if not search.ended), key=self._share)
            if (key := self._searches[task].next()) is not None:
                return self._deal(task, key)
        return None

    def _deal(self, task: str, key: Key) -> TrialSpec:
        number, self._numbers = self._numbers, self._numbers + 1
        self._running[number] = (task, key)
        params = self._searches[task].space.decode(key)
        training = self._searched.resolve(self._training, params)
        seed = self._seed if training.seed is None else training.seed
        return TrialSpec(number, task, params, training.model_dump(), seed)

    def evaluated(self, number: int, index: int, epoch: float, score: float) -> None:
        """A trial was evaluated for the ``index``-th time, counted from 1."""
        self._evaluations[number] = index

    def ended(self, number: int, status: TrialStatus, best_score: float | None) -> None:
        """A trial ended. A trial that was ``stopped`` has no result yet; a second end of a trial changes nothing."""
        if not status.final or number not in self._running:
            return
        task, key = self._running.pop(number)
        outcome = _outcome(status, best_score, self._evaluations.pop(number, 0))
        self._searches[task].sampler.end(key, outcome)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Takes over the trials of an earlier run of this search, before anything is dealt.

        Ended ones are told to the samplers; the others will be dealt again first, with their numbers and settings.
        """
        for trial in sorted(trials, key=lambda trial: trial.number):
            search = self._searches[trial.task]
            key = search.space.encode(trial.params)
            if trial.status.final:
                search.replay(key, _outcome(trial.status, trial.best_score, len(trial.evaluations)))
            else:
                search.resume(key)
                self._running[trial.number] = (trial.task, key)
                self._unfinished.append(TrialSpec(trial.number, trial.task, trial.params, trial.training, trial.seed))
            self._numbers = max(self._numbers, trial.number + 1)

    def _share(self, task: str) -> float:
        return self._searches[task].dealt / self._weights[task]


def _outcome(status: TrialStatus, score: float | None, evaluations: int) -> Outcome:
    return Outcome(status, score if score is not None and math.isfinite(score) else None, evaluations)


def _trained_in(
    space: SearchSpace,
    training: TrainingConfig,
    facts: TaskFacts,
) -> Callable[[Mapping[str, Value]], Hashable]:
    """What values of some searched fields make of a trial, all other fields being as the job has them."""
    fixed: dict[str, Any] = space.resolve(training).model_dump()
    return lambda params: trained({**fixed, **params}, facts)
