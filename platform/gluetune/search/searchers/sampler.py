"""The interface of search algorithms, and the two whose sequence no result changes: grid and random search.

Neither uses Optuna's sampler of that name: `GridSampler` repeats points once it is through, and `RandomSampler` draws
with replacement and from one stream, so that a resumed search would continue with other configurations. Here the
sequence depends on the seed alone: a resumed search continues with the same configurations as an undisturbed one.
"""

from __future__ import annotations

import heapq
import itertools
import zlib
from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gluetune.errors import ConfigError, ConfigIssue
from gluetune.events import TrialStatus
from gluetune.search.searchers.space import EncodedConfig, EncodedSpace

_EPOCHS = "num_train_epochs"
_MAX_SHUFFLED = 2**20  # configurations; in larger spaces drawing one twice is rare, and rejecting it costs nothing
_MAX_DRAWS = 10_000  # known configurations in a row, after which a space that cannot be listed counts as covered


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The result of a trial, as search algorithms use it.

    Attributes:
        status: how the trial ended.
        score: its best score, of which more is better; ``None`` where it has none.
        evaluations: number of its evaluations.
        ms_per_row: milliseconds that evaluating a row took, of which less is better; ``None`` where it is not known.
    """

    status: TrialStatus
    score: float | None
    evaluations: int
    ms_per_row: float | None = None


class Sampler(ABC):
    """A search algorithm for one task. It knows neither trial numbers nor Ray."""

    @abstractmethod
    def suggest(self, known: Container[EncodedConfig]) -> EncodedConfig | None:
        """Choose the next configuration, which counts as running from now on.

        Args:
            known: configurations that were chosen before; none of them is chosen.

        Returns:
            The configuration; ``None`` where all are known.
        """

    @abstractmethod
    def enqueue(self, config: EncodedConfig) -> None:
        """Take note of a running configuration that `suggest` did not choose."""

    @abstractmethod
    def tell(self, config: EncodedConfig, result: TrialResult) -> None:
        """Take note of the result of a running configuration."""

    @abstractmethod
    def replay(self, config: EncodedConfig, result: TrialResult) -> None:
        """Take note of a configuration and its result from an earlier session of the search."""


class SequenceSampler(Sampler):
    """Chooses configurations in a given sequence.

    Args:
        sequence: configurations, finitely or infinitely many.
        max_draws: number of them that are drawn to find one that is not known; ``None`` for all.
    """

    def __init__(self, sequence: Iterator[EncodedConfig], max_draws: int | None = None) -> None:
        self._sequence, self._max_draws = sequence, max_draws

    def suggest(self, known: Container[EncodedConfig]) -> EncodedConfig | None:
        """Return the next configuration that is not known; ``None`` where there is none."""
        draws = itertools.islice(self._sequence, self._max_draws)
        return next((config for config in draws if config not in known), None)

    def enqueue(self, config: EncodedConfig) -> None:
        """Do nothing: running configurations do not change the sequence."""

    def tell(self, config: EncodedConfig, result: TrialResult) -> None:
        """Do nothing: results do not change the sequence."""

    def replay(self, config: EncodedConfig, result: TrialResult) -> None:
        """Do nothing: results do not change the sequence."""


def grid_sampler(space: EncodedSpace) -> SequenceSampler:
    """Return a sampler of all configurations: those with the most epochs first, else in file order.

    The last field varies fastest, and encoders take turns. With the longest trials first, lanes end at about the same
    time: Graham 1969, Bounds on Multiprocessing Timing Anomalies (SIAM Journal on Applied Mathematics 17), bounds the
    wait for the last one.

    Raises:
        ConfigError: the space is not finite.
    """
    endless = [dimension.name for dimension in space.dimensions if dimension.codes is None]
    if endless or space.size is None:
        rule = "a grid needs finitely many values: use `choice`, or `step`, or another search.algorithm"
        raise ConfigError([ConfigIssue(f"space.{name}", rule) for name in endless])
    return SequenceSampler(_longest_first(space))


def _longest_first(space: EncodedSpace) -> Iterator[EncodedConfig]:
    by_encoder = (enumerate(_with_epochs(space, places, config)) for places, config in space.grids())
    merged = heapq.merge(*by_encoder, key=lambda numbered: (-numbered[1][0], numbered[0]))
    return (config for _, (_, config) in merged)


def _with_epochs(
    space: EncodedSpace, places: Sequence[int], start: EncodedConfig
) -> Iterator[tuple[float, EncodedConfig]]:
    """Yield the configurations of an encoder with their numbers of epochs, the largest number first.

    Args:
        space: the space.
        places: places of the encoder's fields.
        start: a configuration without the codes of these fields.
    """
    codes: list[Sequence[int]] = [space.dimensions[place].codes or () for place in places]
    names = [space.dimensions[place].name for place in places]
    blocks: list[tuple[float, list[Sequence[int]]]] = [(0.0, codes)]  # without that field, all have the same number
    if _EPOCHS in names:
        place = names.index(_EPOCHS)
        numbers = {code: float(space.dimensions[places[place]].decode(code)) for code in codes[place]}
        longest = sorted(codes[place], key=lambda code: numbers[code], reverse=True)
        blocks = [(numbers[code], [*codes[:place], (code,), *codes[place + 1 :]]) for code in longest]
    for epochs, choices in blocks:
        for values in itertools.product(*choices):
            config = list(start)
            for where, value in zip(places, values, strict=True):
                config[where] = value
            yield epochs, tuple(config)


def random_sampler(space: EncodedSpace, seed: int) -> SequenceSampler:
    """Return a sampler of random configurations, drawn without replacement where the space is finite.

    Args:
        space: the space.
        seed: decides the sequence.
    """
    rng = np.random.default_rng(seed)
    if space.grid_size is not None and space.grid_size <= _MAX_SHUFFLED:
        return SequenceSampler(space.grid_point(int(position)) for position in rng.permutation(space.grid_size))
    return SequenceSampler(_draws(space, rng), _MAX_DRAWS)


def _draws(space: EncodedSpace, rng: np.random.Generator) -> Iterator[EncodedConfig]:
    while True:
        yield space.draw(rng)


def derive_seed(seed: int, task: str, count: int = 0) -> int:
    """Return a seed of 32 bits, which unlike ``hash`` is the same in every process.

    Args:
        seed: the job's seed.
        task: name of the task.
        count: distinguishes the seeds of one task.
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(task.encode()), count]).generate_state(1)[0])
