"""Schedulers, which decide which trials are stopped before their last epoch. This package does not import Ray."""

from gluetune.search.schedulers.fold_stopping import FoldStopping
from gluetune.search.schedulers.pruner import NoPruner, Pruner, warmup_epochs
from gluetune.search.schedulers.stopping_rules import SCHEDULERS, TaskPruners, make_pruner, max_epochs

__all__ = [
    "SCHEDULERS",
    "FoldStopping",
    "NoPruner",
    "Pruner",
    "TaskPruners",
    "make_pruner",
    "max_epochs",
    "warmup_epochs",
]
