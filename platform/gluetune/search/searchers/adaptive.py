"""Algorithms that learn from results: Optuna's samplers, with a result for every suggestion and no repeated training.

What Optuna is given for each end of a trial, and why:

========================================  =====================================================================
end of the trial                          result in the study
========================================  =====================================================================
finished                                  COMPLETE, with the best score
ended before its last epoch, with a       PRUNED for TPE, which ranks such trials behind all complete ones; the
score (pruned, failed, …)                 others skip PRUNED trials, so they get COMPLETE with the best score
diverged or out of memory, no score       COMPLETE, with a score as far below the worst known as that is below the
                                          best: a FAIL would be skipped and the same region suggested again. Until
                                          two scores differ the trial stays RUNNING
failed, or ended by a request before its  FAIL: that says nothing about the configuration
first evaluation
========================================  =====================================================================
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Container, Hashable
from typing import ClassVar

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from gluetune.events import TrialStatus
from gluetune.search.searchers.sampler import Sampler, TrialResult, derive_seed, random_sampler
from gluetune.search.searchers.space import EncodedConfig, EncodedSpace

_DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)  # of the score and the milliseconds per row
_MAX_ASKS = 5  # known suggestions in a row, before an unknown configuration is drawn at random


class AdaptiveSampler(Sampler):
    """A search algorithm on an Optuna study in memory.

    The Optuna sampler is made anew for each suggestion, seeded by the number of suggestions so far: a suggestion then
    depends on the study's trials alone, not on how often the search was resumed. (A resumed study lacks suggestions
    that repeated a known configuration, because they were not trained; after such a one it may continue differently.)

    Args:
        space: the space.
        task: name of the task, which makes its seeds differ from those of other tasks.
        seed: the job's seed.
        num_samples: number of trials planned for the task; ``None`` where only the time budget ends them.
        objectives: 1 for the score alone, 2 for the score and the milliseconds per row.

    Attributes:
        study: the Optuna study; its parameters are codes.
    """

    learns_from_pruned: ClassVar[bool] = False
    """Whether the Optuna sampler uses PRUNED trials."""
    generational: ClassVar[bool] = False
    """Whether the Optuna sampler learns only from trials that it has marked with a generation."""

    def __init__(self, space: EncodedSpace, task: str, seed: int, num_samples: int | None, objectives: int = 1) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._task, self._seed, self._num_samples = space, task, seed, num_samples
        self.study = optuna.create_study(directions=_DIRECTIONS[:objectives])
        self._random = random_sampler(space, derive_seed(seed, task))
        self._asked = 0
        # By what configurations train, see `EncodedSpace.identity`:
        self._open: dict[Hashable, list[optuna.Trial]] = {}
        self._results: dict[Hashable, TrialResult] = {}
        self._pending_results: deque[tuple[optuna.Trial, TrialResult]] = deque()
        self._worst, self._best, self._slowest = math.inf, -math.inf, 0.0

    @abstractmethod
    def build(self, seed: int) -> optuna.samplers.BaseSampler:
        """Return a new Optuna sampler."""

    def suggest(self, known: Container[EncodedConfig]) -> EncodedConfig | None:
        """Return Optuna's suggestion, or a random configuration after a few suggestions that are known.

        Known suggestions get the result of their configuration. ``None`` where all configurations are known.
        """
        for _ in range(_MAX_ASKS):
            config, trial = self._ask()
            if config not in known:
                self._register(config, trial)
                return config
            self._tell_duplicate(config, trial)
        unknown = self._random.suggest(known)
        if unknown is not None:
            self.enqueue(unknown)
        return unknown

    def enqueue(self, config: EncodedConfig) -> None:
        """Add the configuration to the study as a running trial."""
        self._register(config, self._ask_for(config))

    def tell(self, config: EncodedConfig, result: TrialResult) -> None:
        """Give the result to the configuration's trial, and to the suggestions that repeated it meanwhile."""
        self._results[self._space.identity(config)] = result
        if result.score is not None:
            self._worst, self._best = min(self._worst, result.score), max(self._best, result.score)
        self._slowest = max(self._slowest, result.ms_per_row or 0.0)
        for trial in self._open.pop(self._space.identity(config), []):
            self._tell_trial(trial, result)
        while self._pending_results and self._worst < self._best:
            self._tell_trial(*self._pending_results.popleft())

    def replay(self, config: EncodedConfig, result: TrialResult) -> None:
        """Add the configuration to the study, with its result."""
        self.enqueue(config)
        self.tell(config, result)

    def _register(self, config: EncodedConfig, trial: optuna.Trial) -> None:
        self._open.setdefault(self._space.identity(config), []).append(trial)

    def _ask(self) -> tuple[EncodedConfig, optuna.Trial]:
        self._asked += 1
        self.study.sampler = self.build(derive_seed(self._seed, self._task, self._asked))
        trial = self.study.ask()
        return self._space.suggest(trial), trial

    def _ask_for(self, config: EncodedConfig) -> optuna.Trial:
        """Make the study suggest a given configuration, without fitting a model."""
        pairs = zip(self._space.distributions, config, strict=True)
        self.study.enqueue_trial({key: code for key, code in pairs if code is not None})
        _, trial = self._ask()
        if self.generational:
            _ = trial.relative_params  # the property runs the sampler, which marks the trial with a generation
        return trial

    def _tell_duplicate(self, config: EncodedConfig, trial: optuna.Trial) -> None:
        if self._space.identity(config) in self._open:
            self._register(config, trial)
        else:
            self._tell_trial(trial, self._results[self._space.identity(config)])

    def _tell_trial(self, trial: optuna.Trial, result: TrialResult) -> None:
        if result.score is not None:
            several = len(self.study.directions) > 1  # Optuna's trials of several objectives cannot be pruned
            if result.status is not TrialStatus.FINISHED and self.learns_from_pruned and not several:
                trial.report(result.score, step=result.evaluations)
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, self._values(result.score, result.ms_per_row))
        elif result.status is TrialStatus.FAILED or (result.status is TrialStatus.PRUNED and not result.evaluations):
            self.study.tell(trial, state=TrialState.FAIL)
        elif self._worst < self._best:
            self.study.tell(trial, self._values(self._worst - (self._best - self._worst), None))
        else:
            self._pending_results.append((trial, result))

    def _values(self, score: float, ms_per_row: float | None) -> list[float]:
        """Return the values of a trial in the study; a trial whose time is not known counts as slow as the slowest."""
        return [score, self._slowest if ms_per_row is None else ms_per_row][: len(self.study.directions)]
