"""Search algorithms, which choose what to train next. The only package that imports Optuna; it does not import Ray."""

from gluetune.search.searchers.algorithms import ALGORITHMS, make_sampler
from gluetune.search.searchers.sampler import Sampler, TrialResult
from gluetune.search.searchers.space import EncodedConfig, EncodedSpace
from gluetune.search.searchers.trial_sampler import TrialSampler, TrialSpec

__all__ = [
    "ALGORITHMS",
    "EncodedConfig",
    "EncodedSpace",
    "Sampler",
    "TrialResult",
    "TrialSampler",
    "TrialSpec",
    "make_sampler",
]
