"""Search algorithms: what to train next. Pure deciding, without Ray; the only room that knows Optuna."""

from gluetune.search.searchers.algorithms import ALGORITHMS
from gluetune.search.searchers.sampler import Outcome, Sampler
from gluetune.search.searchers.space import EncodedSpace, Key
from gluetune.search.searchers.trial_sampler import TrialSampler, TrialSpec

__all__ = ["ALGORITHMS", "EncodedSpace", "Key", "Outcome", "Sampler", "TrialSampler", "TrialSpec"]
