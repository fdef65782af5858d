"""Averages of a trial's weights, which are evaluated and saved in place of the weights that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gluetune.config import TrainingConfig

_Weights = dict[str, torch.Tensor]


class WeightAverage:
    """The mean of the trained weights over the last evaluations, or their exponential moving average over steps.

    The moving average starts at the weights after the first step and is updated after each further one, as by torch's
    ``AveragedModel`` with ``get_ema_multi_avg_fn``.

    Args:
        model: the model that is trained; frozen parameters are not averaged.
        evaluations: number of evaluations whose weights are averaged; ``None`` for the moving average.
        ema_decay: factor of the moving average in each step; ``None`` for the mean over evaluations.
    """

    def __init__(self, model: nn.Module, evaluations: int | None, ema_decay: float | None) -> None:
        self._parameters = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._evaluations, self._ema_decay = evaluations, ema_decay
        self._update = None if ema_decay is None else get_ema_multi_avg_fn(ema_decay)
        self._kept: list[_Weights] = []  # of the last evaluations; or the moving average alone
        self._decay_factors: list[float] = []  # of the embeddings of tokens that occur in no row, one for each

    @classmethod
    def make(cls, model: nn.Module, training: TrainingConfig) -> WeightAverage | None:
        """Return the average that a trial's settings ask for; ``None`` where they ask for none.

        Args:
            model: the model that is trained.
            training: ``ema_decay`` goes before ``weight_average``.
        """
        if training.ema_decay is not None:
            return cls(model, None, training.ema_decay)
        several = training.weight_average is not None and training.weight_average > 1
        return cls(model, training.weight_average, None) if several else None

    def after_step(self, decay_factor: float) -> None:
        """Update the moving average; do nothing for a mean over evaluations.

        Args:
            decay_factor: see `gluetune.training.speedups.embedding_pruning.EmbeddingPruner`.
        """
        if self._update is None or self._ema_decay is None:
            return
        if not self._kept:
            self._keep(decay_factor)
            return
        with torch.no_grad():
            current = [weight.detach() for weight in self._parameters.values()]
            self._update(list(self._kept[0].values()), current, 0)
        self._decay_factors[0] += (decay_factor - self._decay_factors[0]) * (1 - self._ema_decay)

    @contextmanager
    def evaluated(self, decay_factor: float) -> Iterator[None]:
        """Give the model its average weights inside of the context, in which it is evaluated.

        Args:
            decay_factor: see `gluetune.training.speedups.embedding_pruning.EmbeddingPruner`.
        """
        if self._evaluations is not None:
            self._keep(decay_factor)
            del self._kept[: -self._evaluations], self._decay_factors[: -self._evaluations]
        trained = {name: weight.detach().clone() for name, weight in self._parameters.items()}
        self._set(_mean(self._kept))
        try:
            yield
        finally:
            self._set(trained)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from; later updates of a moving average change its tensors."""
        return {"kept": list(self._kept), "decay_factors": list(self._decay_factors)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a `state_dict`."""
        self._kept = [
            {name: weights[name].to(parameter.device, copy=True) for name, parameter in self._parameters.items()}
            for weights in state["kept"]
        ]
        self._decay_factors = list(state["decay_factors"])

    def _keep(self, decay_factor: float) -> None:
        self._kept.append({name: weight.detach().clone() for name, weight in self._parameters.items()})
        self._decay_factors.append(decay_factor)

    def _set(self, weights: _Weights) -> None:
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(weights[name])


def averaged_weights(state: Mapping[str, Any]) -> tuple[_Weights, float]:
    """Return the average weights by parameter name, and the average decay factor, of a `WeightAverage.state_dict`."""
    factors: list[float] = state["decay_factors"]
    return _mean(state["kept"]), sum(factors) / len(factors)


def _mean(kept: list[_Weights]) -> _Weights:
    if len(kept) == 1:
        return kept[0]
    return {name: torch.stack([weights[name] for weights in kept]).mean(dim=0) for name in kept[0]}


class EarlyStopping:
    """Counts evaluations without improvement.

    Args:
        patience: number of them in a row after which training ends; ``None`` for no limit.
        min_delta: a score is an improvement if it is higher than the last improvement by more than this.
    """

    def __init__(self, patience: int | None, min_delta: float) -> None:
        self._patience, self._min_delta = patience, min_delta
        self._best, self._count = -float("inf"), 0

    @property
    def ends_training(self) -> bool:
        """Whether no further step is to be done."""
        return self._patience is not None and self._count >= self._patience

    def note(self, score: float) -> None:
        """Count an evaluation.

        Args:
            score: its score, of which more is better.
        """
        improved = score > self._best + self._min_delta
        self._count = 0 if improved else self._count + 1
        self._best = score if improved else self._best

    def state_dict(self) -> dict[str, float]:
        """Return the state to resume from."""
        return {"best": self._best, "count": self._count}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Resume from a `state_dict`."""
        self._best, self._count = float(state["best"]), int(state["count"])
