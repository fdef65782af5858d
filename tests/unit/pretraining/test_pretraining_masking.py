"""Masking statistics."""

from __future__ import annotations

import numpy as np
import pytest

from gluetune.pretraining.masking import IGNORED, Masker

SPECIAL = np.arange(5)
MASK = 4
MASKER = Masker(MASK, np.arange(5, 1000), SPECIAL)


@pytest.fixture(scope="module")
def masked() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(0, 1000, size=(2000, 100))
    return ids, *MASKER(ids, np.random.default_rng(1))


def test_predicts_15_percent(masked: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    ids, _, labels = masked
    assert np.mean(labels[ids >= 5] != IGNORED) == pytest.approx(0.15, abs=0.005)


def test_80_percent_masked_10_percent_random_10_percent_kept(masked: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    ids, inputs, labels = masked
    chosen = labels != IGNORED
    assert np.mean(inputs[chosen] == MASK) == pytest.approx(0.8, abs=0.01)
    assert np.mean(inputs[chosen] == ids[chosen]) == pytest.approx(0.1, abs=0.01)
    replaced = inputs[chosen & (inputs != ids) & (inputs != MASK)]
    assert not np.isin(replaced, SPECIAL).any()


def test_never_touches_special_tokens(masked: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    ids, inputs, labels = masked
    special = np.isin(ids, SPECIAL)
    assert (labels[special] == IGNORED).all()
    assert (inputs[special] == ids[special]).all()


def test_labels_are_the_original_tokens_and_the_rest_stays(masked: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    ids, inputs, labels = masked
    chosen = labels != IGNORED
    assert (labels[chosen] == ids[chosen]).all()
    assert (inputs[~chosen] == ids[~chosen]).all()


def test_masks_anew_at_every_call_and_alike_from_the_same_state() -> None:
    ids = np.full((10, 50), 7)
    rng = np.random.default_rng(0)
    first, second = MASKER(ids, rng)[0], MASKER(ids, rng)[0]
    assert (first != second).any()
    assert (first == MASKER(ids, np.random.default_rng(0))[0]).all()
