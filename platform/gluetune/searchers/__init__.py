"""Search algorithms: what to train next. Pure deciding, without Ray; the only room that knows Optuna."""

from gluetune.searchers.algorithms import ALGORITHMS
from gluetune.searchers.dealer import Deal, Dealer
from gluetune.searchers.sampler import Outcome, Sampler
from gluetune.searchers.space import CodedSpace, Key

__all__ = ["ALGORITHMS", "CodedSpace", "Deal", "Dealer", "Key", "Outcome", "Sampler"]
