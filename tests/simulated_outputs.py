"""Outputs of simulated models whose true accuracy is known: rows of varying difficulty, seeds of varying luck."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from gluetune.statistics import SeedOutputs
from gluetune.tasks import TASKS

ROWS_SPREAD = 1.0  # standard deviation of rows' difficulty, in units of the noise of one decision
SEEDS_SPREAD = 0.15  # and of the models' skill


def decisions(
    rng: np.random.Generator,
    rows: int,
    seeds: int,
    skill: float = 1.0,
    difficulty: np.ndarray | None = None,
    seeds_spread: float = SEEDS_SPREAD,
) -> SeedOutputs:
    """Outputs for RTE, a task of accuracy, in which a model is right where its skill exceeds a row's difficulty.

    Args:
        rng: draws everything.
        rows: number of rows.
        seeds: number of models.
        skill: mean skill of the models.
        difficulty: [rows]; ``None`` draws it. Configurations that are compared share it, and the labels.
        seeds_spread: standard deviation of the models' skill.
    """
    difficulty = ROWS_SPREAD * rng.standard_normal(rows) if difficulty is None else difficulty
    luck = seeds_spread * rng.standard_normal((seeds, 1))
    right = rng.standard_normal((seeds, rows)) < skill + luck - difficulty
    labels = np.arange(rows) % 2
    answers = np.where(right, labels, 1 - labels)
    return SeedOutputs(TASKS["rte"], np.eye(2, dtype=np.float32)[answers], labels)


def true_accuracy(skill: float, seeds_spread: float = SEEDS_SPREAD) -> float:
    """The accuracy that `decisions` has over all rows and seeds."""
    return float(norm.cdf(skill / np.sqrt(1 + ROWS_SPREAD**2 + seeds_spread**2)))
