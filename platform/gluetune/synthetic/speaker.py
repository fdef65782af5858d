"""Word choice with a memory, so that two sentences of one pair say a concept alike or differently on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


class Speaker:
    """Chooses one of a concept's words.

    A concept said before is said by another of its words with probability ``renewal``, else by the same one.

    Args:
        rng: the only source of chance.
        renewal: probability of another word.
    """

    def __init__(self, rng: Random, renewal: float = 0.5) -> None:
        self._rng = rng
        self._renewal = renewal
        self._said: dict[tuple[str, ...], str] = {}

    def choose(self, words: Sequence[str]) -> str:
        """One of these synonyms."""
        concept = tuple(sorted(words))
        last = self._said.get(concept)
        choices = list(concept)
        if last is not None and len(choices) > 1:
            choices = [word for word in choices if word != last] if self._rng.random() < self._renewal else [last]
        self._said[concept] = self._rng.choice(choices)
        return self._said[concept]
