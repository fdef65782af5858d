"""Search algorithms: what to train next. Pure deciding, without Ray; the only room that knows Optuna."""

from gluetune.searchers.algorithms import ALGORITHMS
from gluetune.searchers.sampler import Outcome, Sampler
from gluetune.searchers.space import EncodedSpace, Key
from gluetune.searchers.trial_sampler import TrialSampler, TrialSpec

__all__ = ["ALGORITHMS", "EncodedSpace", "Key", "Outcome", "Sampler", "TrialSampler", "TrialSpec"]
