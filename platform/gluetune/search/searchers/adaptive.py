"""Algorithms that learn from results: Optuna's samplers, with every suggestion answered and none trained twice.

What Optuna is told, and why:

========================================  =====================================================================
end of the trial                          answer
========================================  =====================================================================
finished                                  COMPLETE, best score
cut short with a score (pruned, ...)      PRUNED to TPE, which ranks such trials behind all complete ones; the
                                          others skip PRUNED trials, so they are told COMPLETE with the best score
diverged or out of memory, no score       COMPLETE, with a score as far below the worst known as that is below the
                                          best: a FAIL would be skipped and the same region suggested again. Until two
                                          scores differ it waits, as if it were running
failed, no score                          FAIL: an accident says nothing about the configuration
========================================  =====================================================================
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Container, Hashable
from typing import ClassVar

import optuna
from optuna.trial import TrialState

from gluetune.events import TrialStatus
from gluetune.search.searchers.sampler import Outcome, Sampler, derive
from gluetune.search.searchers.space import EncodedSpace, Key
from gluetune.search.searchers.static import random

_MAX_ASKS = 5  # suggestions in a row that are known already, before an unknown configuration is drawn at random


class AdaptiveSampler(Sampler):
    """One Optuna study in memory.

    The Optuna sampler is made anew for each suggestion, seeded by how many the study has seen: the suggestion then
    depends on the study's trials alone, not on how often the search was resumed. (A resumed study lacks suggestions
    that repeated a known configuration, for they were no trials; after such a one it may go on differently.)

    Args:
        space: the space.
        task: the task, which tells its seeds from other tasks'.
        seed: the search's seed.
        num_samples: trials planned for the task, ``None`` where only time ends it.

    Attributes:
        study: the Optuna study; parameters in it are codes.
    """

    learns_from_pruned: ClassVar[bool] = False
    generational: ClassVar[bool] = False  # learns only from trials that it has marked with a generation

    def __init__(self, space: EncodedSpace, task: str, seed: int, num_samples: int | None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._task, self._seed, self._num_samples = space, task, seed, num_samples
        self.study = optuna.create_study(direction="maximize")
        self._unknown = random(space, derive(seed, task))
        self._asked = 0
        self._open: dict[Hashable, list[optuna.Trial]] = {}  # by what they train, as the outcomes
        self._outcomes: dict[Hashable, Outcome] = {}
        self._unanswered: deque[tuple[optuna.Trial, Outcome]] = deque()
        self._worst, self._best = math.inf, -math.inf

    @abstractmethod
    def build(self, seed: int) -> optuna.samplers.BaseSampler:
        """Makes the Optuna sampler."""

    def suggest(self, known: Container[Key]) -> Key | None:
        """What Optuna suggests; known suggestions are answered, and after a few an unknown point is drawn."""
        for _ in range(_MAX_ASKS):
            trial = self._ask()
            key = self._key(trial)
            if key not in known:
                self._enter(key, trial)
                return key
            self._answer_duplicate(key, trial)
        unknown = self._unknown.suggest(known)
        if unknown is not None:
            self.begin(unknown)
        return unknown

    def begin(self, key: Key) -> None:
        """Enters the configuration into the study as a running trial."""
        self._enter(key, self._inject(key))

    def end(self, key: Key, outcome: Outcome) -> None:
        """Answers the configuration's trial, and the suggestions that repeated it meanwhile."""
        self._outcomes[self._space.identity(key)] = outcome
        if outcome.score is not None:
            self._worst, self._best = min(self._worst, outcome.score), max(self._best, outcome.score)
        for trial in self._open.pop(self._space.identity(key), []):
            self._tell(trial, outcome)
        while self._unanswered and self._worst < self._best:
            self._tell(*self._unanswered.popleft())

    def replay(self, key: Key, outcome: Outcome) -> None:
        """Enters the configuration with its answer."""
        self.begin(key)
        self.end(key, outcome)

    def _enter(self, key: Key, trial: optuna.Trial) -> None:
        self._open.setdefault(self._space.identity(key), []).append(trial)

    def _ask(self) -> optuna.Trial:
        self._asked += 1
        self.study.sampler = self.build(derive(self._seed, self._task, self._asked))
        return self.study.ask(self._space.distributions)

    def _inject(self, key: Key) -> optuna.Trial:
        """Makes the study suggest a given configuration, for which Optuna fits no model."""
        self.study.enqueue_trial(dict(zip(self._space.distributions, key, strict=True)))
        trial = self._ask()
        if self.generational:
            _ = trial.relative_params  # the property's getter runs the sampler, which marks the trial
        return trial

    def _key(self, trial: optuna.Trial) -> Key:
        return tuple(trial.params[dimension.name] + 0 for dimension in self._space.dimensions)

    def _answer_duplicate(self, key: Key, trial: optuna.Trial) -> None:
        if self._space.identity(key) in self._open:
            self._enter(key, trial)
        else:
            self._tell(trial, self._outcomes[self._space.identity(key)])

    def _tell(self, trial: optuna.Trial, outcome: Outcome) -> None:
        if outcome.score is not None:
            if outcome.status is not TrialStatus.FINISHED and self.learns_from_pruned:
                trial.report(outcome.score, step=outcome.evaluations)
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, outcome.score)
        elif outcome.status is TrialStatus.FAILED:
            self.study.tell(trial, state=TrialState.FAIL)
        elif self._worst < self._best:
            self.study.tell(trial, self._worst - (self._best - self._worst))
        else:
            self._unanswered.append((trial, outcome))
