"""Masked-LM inputs (Devlin et al. 2019, §3.1).

Of the predicted tokens 80% become ``[MASK]``, 10% a random token, 10% stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gluetune.pretraining.vocabulary import TokenIds

IGNORED = -100
"""Label of tokens that are not predicted."""

_MASKED, _RANDOM = 0.8, 0.9


@dataclass(frozen=True)
class Masker:
    """Masks tokens anew at every call (dynamic masking, Liu et al. 2019).

    Attributes:
        mask_id: id of ``[MASK]``.
        ordinary: ids that a random token is drawn from: all but the special ones.
        special: ids that are never masked.
        probability: share of tokens that are predicted.
    """

    mask_id: int
    ordinary: np.ndarray
    special: np.ndarray
    probability: float = 0.15

    @classmethod
    def of(cls, tokens: TokenIds, probability: float) -> Masker:
        """A masker for a tokenizer's vocabulary."""
        special = np.array(tokens.special)
        return cls(tokens.mask, np.setdiff1d(np.arange(tokens.vocab_size), special), special, probability)

    def __call__(self, input_ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Masks.

        Args:
            input_ids: int array of any shape.
            rng: the only source of chance.

        Returns:
            The inputs to predict from and the labels (`IGNORED` where nothing is predicted), both of the same shape.
        """
        chosen = (rng.random(input_ids.shape) < self.probability) & ~np.isin(input_ids, self.special)
        fate = rng.random(input_ids.shape)
        inputs = input_ids.copy()
        inputs[chosen & (fate < _MASKED)] = self.mask_id
        swapped = chosen & (fate >= _MASKED) & (fate < _RANDOM)
        inputs[swapped] = rng.choice(self.ordinary, size=int(swapped.sum()))
        return inputs, np.where(chosen, input_ids, IGNORED)
