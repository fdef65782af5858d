"""Masking statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gluetune.pretraining.batches import IGNORE_INDEX, Masker

SPECIAL = np.arange(5)
MASK = 4
MASKER = Masker(MASK, np.arange(5, 1000), SPECIAL)
Masked = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def masked() -> Masked:
    ids = np.random.default_rng(0).integers(0, 1000, size=(2000, 100))
    return ids, *MASKER(ids, np.random.default_rng(1))


def within_chance(hits: np.ndarray, share: float) -> bool:
    """Whether so many hits are within four standard deviations of a binomial distribution's mean."""
    return abs(hits.sum() - share * hits.size) < 4 * math.sqrt(hits.size * share * (1 - share))


def test_predicts_15_percent(masked: Masked) -> None:
    ids, _, labels = masked
    assert within_chance(labels[ids >= 5] != IGNORE_INDEX, 0.15)


def test_80_percent_masked_10_percent_random_10_percent_kept(masked: Masked) -> None:
    ids, inputs, labels = masked
    chosen = labels != IGNORE_INDEX
    drawn_alike = 0.1 / 995  # a random token is the right one by chance
    assert within_chance(inputs[chosen] == MASK, 0.8)
    assert within_chance(inputs[chosen] == ids[chosen], 0.1 + drawn_alike)
    assert within_chance((inputs[chosen] != ids[chosen]) & (inputs[chosen] != MASK), 0.1 - drawn_alike)


def test_random_tokens_are_any_but_the_special_ones(masked: Masked) -> None:
    ids, inputs, labels = masked
    replaced = inputs[(labels != IGNORE_INDEX) & (inputs != ids) & (inputs != MASK)]
    assert not np.isin(replaced, SPECIAL).any()
    assert len(np.unique(replaced)) > 900
    assert within_chance(replaced < 502, 497 / 995)


def test_never_touches_special_tokens(masked: Masked) -> None:
    ids, inputs, labels = masked
    special = np.isin(ids, SPECIAL)
    assert (labels[special] == IGNORE_INDEX).all()
    assert (inputs[special] == ids[special]).all()


def test_labels_are_the_original_tokens_and_the_rest_stays(masked: Masked) -> None:
    ids, inputs, labels = masked
    chosen = labels != IGNORE_INDEX
    assert (labels[chosen] == ids[chosen]).all()
    assert (inputs[~chosen] == ids[~chosen]).all()


def test_masks_anew_at_every_call_and_alike_from_the_same_state() -> None:
    ids = np.full((10, 50), 7)
    rng = np.random.default_rng(0)
    first, second = MASKER(ids, rng)[0], MASKER(ids, rng)[0]
    assert (first != second).any()
    assert (first == MASKER(ids, np.random.default_rng(0))[0]).all()
