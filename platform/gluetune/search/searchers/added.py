"""Configurations that were added to a task of a running search, which its algorithm has not chosen."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping

from gluetune.config import Value
from gluetune.errors import ConfigError
from gluetune.search.searchers.space import EncodedConfig, EncodedSpace


class AddedConfigs:
    """The added configurations of one task, and which of them still wait to be trained.

    They need not lie in the space: an Optuna study cannot hold values outside its distributions, so the algorithm is
    not given the results of those that do not.

    Args:
        space: the task's space.

    Attributes:
        waiting: those that are to be trained next, the earliest first.
        outside: number of those that lie outside the space.
    """

    def __init__(self, space: EncodedSpace) -> None:
        self._space = space
        self._identities: set[Hashable] = set()
        self.waiting: deque[dict[str, Value]] = deque()
        self.outside = 0

    def __len__(self) -> int:
        """Return the number of different configurations that were added."""
        return len(self._identities)

    def __contains__(self, config: object) -> bool:
        """Whether an encoded configuration trains the same as one that was added."""
        return bool(self._identities) and isinstance(config, tuple) and self._space.identity(config) in self._identities

    def has(self, params: Mapping[str, Value]) -> bool:
        """Return whether a configuration, by its values, trains the same as one that was added."""
        return bool(self._identities) and self.identity(params) in self._identities

    def add(self, params: Mapping[str, Value]) -> None:
        """Have a configuration trained, unless one that trains the same was added before.

        Args:
            params: a value for each searched field.
        """
        identity = self.identity(params)
        if identity in self._identities:
            return
        self._identities.add(identity)
        self.outside += self.encode(params) is None
        self.waiting.append(dict(params))

    def started(self, params: Mapping[str, Value]) -> EncodedConfig | None:
        """Take note that a configuration has been trained or is being trained, whether it was added or not.

        Returns:
            Its codes; ``None`` where it was added and lies outside the space.

        Raises:
            ConfigError: it lies outside the space, but was not added.
        """
        if not self._identities:
            return self._space.encode(params)
        identity = self.identity(params)
        for other in [other for other in self.waiting if self.identity(other) == identity]:
            self.waiting.remove(other)
        return self.encode(params) if identity in self._identities else self._space.encode(params)

    def encode(self, params: Mapping[str, Value]) -> EncodedConfig | None:
        """Return the codes of a configuration; ``None`` where it lies outside the space."""
        try:
            return self._space.encode(params)
        except ConfigError:
            return None

    def identity(self, params: Mapping[str, Value]) -> Hashable:
        """Return what a configuration trains: equal for configurations that train the same."""
        config = self.encode(params)
        return ("outside", *sorted(params.items())) if config is None else self._space.identity(config)
