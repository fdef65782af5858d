"""Schedulers: when a trial is stopped early. Pure deciding, without Ray."""

from gluetune.search.schedulers.pruner import NoPruner, Pruner, warmup_epochs
from gluetune.search.schedulers.registry import SCHEDULERS, TaskPruners, max_epochs, open_pruner

__all__ = ["SCHEDULERS", "NoPruner", "Pruner", "TaskPruners", "max_epochs", "open_pruner", "warmup_epochs"]
