"""What every search algorithm offers, for one task."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from gluetune.events import TrialStatus
from gluetune.search.searchers.space import Key


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: why it ended.
        score: its best evaluation, higher is better; ``None`` where it has none.
        evaluations: how many it had.
    """

    status: TrialStatus
    score: float | None
    evaluations: int


class Sampler(ABC):
    """Finds a task's next configuration. Knows neither trial numbers nor Ray."""

    @abstractmethod
    def suggest(self, known: Container[Key]) -> Key | None:
        """The next configuration to train, which counts as begun; ``None`` when all are known.

        Args:
            known: configurations dealt already; none of them is suggested.
        """

    @abstractmethod
    def begin(self, key: Key) -> None:
        """A configuration that `suggest` did not choose is being trained."""

    @abstractmethod
    def end(self, key: Key, outcome: Outcome) -> None:
        """A configuration begun has ended."""

    @abstractmethod
    def replay(self, key: Key, outcome: Outcome) -> None:
        """A configuration had begun and ended in an earlier run of the search."""


def derive(seed: int, task: str, count: int = 0) -> int:
    """A seed of 32 bits for a task's ``count``-th use; the same in every process (unlike ``hash``)."""
    return int(np.random.SeedSequence([seed, zlib.crc32(task.encode()), count]).generate_state(1)[0])
