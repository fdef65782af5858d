"""Search algorithms: what to train next. Pure deciding, without Ray; the only room that knows Optuna."""

from gluetune.searchers.algorithms import ALGORITHMS
from gluetune.searchers.dealer import TrialSampler, TrialSpec
from gluetune.searchers.sampler import Outcome, Sampler
from gluetune.searchers.space import EncodedSpace, Key

__all__ = ["ALGORITHMS", "EncodedSpace", "Key", "Outcome", "Sampler", "TrialSampler", "TrialSpec"]
