"""Grid and random search: orders that no result changes.

Neither uses Optuna's sampler of that name: `GridSampler` deals points again once it is through, and `RandomSampler`
draws with replacement and from one stream, so that a resumed search would go on with other configurations. Here the
order depends on the seed alone: a resumed search deals what the undisturbed one would have.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator

import numpy as np

from gluetune.errors import ConfigError, ConfigIssue
from gluetune.search.searchers.sampler import Outcome, Sampler
from gluetune.search.searchers.space import EncodedSpace, Key

_LARGEST_SHUFFLE = 2**20  # configurations; beyond, drawing one twice is so rare that rejecting it costs nothing
_MOST_DRAWS = 10_000  # known configurations in a row, after which a space that cannot be listed counts as covered


class SequenceSampler(Sampler):
    """Deals configurations in a given order.

    Args:
        order: configurations, finitely or infinitely many.
        most_draws: how many of them are looked at for one that is not known; ``None``: all.
    """

    def __init__(self, order: Iterator[Key], most_draws: int | None = None) -> None:
        self._order, self._most_draws = order, most_draws

    def suggest(self, known: Container[Key]) -> Key | None:
        """The next one in the order that is not known."""
        return next((key for key in itertools.islice(self._order, self._most_draws) if key not in known), None)

    def begin(self, key: Key) -> None:
        """Changes nothing."""

    def end(self, key: Key, outcome: Outcome) -> None:
        """Changes nothing."""

    def replay(self, key: Key, outcome: Outcome) -> None:
        """Changes nothing."""


def grid(space: EncodedSpace) -> SequenceSampler:
    """All configurations, those of most epochs first, else in file order, the last field varying fastest.

    With the longest trials first, lanes end at about the same time: Graham 1969, Bounds on Multiprocessing Timing
    Anomalies (SIAM Journal on Applied Mathematics 17), shows how much less the last one is waited for.

    Raises:
        ConfigError: the space is not finite.
    """
    endless = [dimension.name for dimension in space.dimensions if dimension.codes is None]
    if endless or space.size is None:
        rule = "a grid needs finitely many values: use `choice`, or `step`, or another search.algorithm"
        raise ConfigError([ConfigIssue(f"space.{name}", rule) for name in endless])
    return SequenceSampler(_longest_first(space))


def _longest_first(space: EncodedSpace) -> Iterator[Key]:
    codes = [tuple(dimension.codes or ()) for dimension in space.dimensions]
    place = next((place for place, each in enumerate(space.dimensions) if each.name == "num_train_epochs"), None)
    if place is None:
        yield from itertools.product(*codes)
        return
    for code in sorted(codes[place], key=space.dimensions[place].decode, reverse=True):
        yield from itertools.product(*codes[:place], (code,), *codes[place + 1 :])


def random(space: EncodedSpace, seed: int) -> SequenceSampler:
    """Configurations drawn at random, without replacement where the space is finite."""
    rng = np.random.default_rng(seed)
    if space.points is not None and space.points <= _LARGEST_SHUFFLE:
        return SequenceSampler(space.at(int(position)) for position in rng.permutation(space.points))
    return SequenceSampler(_draws(space, rng), _MOST_DRAWS)


def _draws(space: EncodedSpace, rng: np.random.Generator) -> Iterator[Key]:
    while True:
        yield space.draw(rng)
