"""Hyperparameter search for fine-tuning BERT-type encoders: Ray Train, Ray Tune, Optuna, MLflow.

The names below and the module ``errors`` are the public API; they are imported when they are first used, so that
``import gluetune`` is quick.

Example:
    >>> import gluetune
    >>> gluetune.load("runs/first", "cola").task.name
    'cola'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gluetune import errors as errors
    from gluetune.api.acting import SentRequest, add, extend, stop
    from gluetune.api.calls import fine_tune, load, pretrain, resume, tune
    from gluetune.api.confirm_call import confirm
    from gluetune.api.report import report
    from gluetune.api.results import BestTrial, FineTuneResult, PretrainResult, SearchResult
    from gluetune.api.verification import Verification, verify
    from gluetune.config import JobConfig, SearchSpace, TrainingConfig
    from gluetune.inference import Classifier
    from gluetune.reporting.recorded_runs import RecordedRun, runs
    from gluetune.tasks import Task

__version__ = "0.1.0"

_HOMES = {
    "BestTrial": "gluetune.api.results",
    "Classifier": "gluetune.inference",
    "FineTuneResult": "gluetune.api.results",
    "JobConfig": "gluetune.config",
    "PretrainResult": "gluetune.api.results",
    "RecordedRun": "gluetune.reporting.recorded_runs",
    "SearchResult": "gluetune.api.results",
    "SentRequest": "gluetune.api.acting",
    "SearchSpace": "gluetune.config",
    "Task": "gluetune.tasks",
    "TrainingConfig": "gluetune.config",
    "Verification": "gluetune.api.verification",
    "add": "gluetune.api.acting",
    "confirm": "gluetune.api.confirm_call",
    "extend": "gluetune.api.acting",
    "fine_tune": "gluetune.api.calls",
    "load": "gluetune.api.calls",
    "pretrain": "gluetune.api.calls",
    "report": "gluetune.api.report",
    "resume": "gluetune.api.calls",
    "runs": "gluetune.reporting.recorded_runs",
    "stop": "gluetune.api.acting",
    "tune": "gluetune.api.calls",
    "verify": "gluetune.api.verification",
}
__all__ = [
    "BestTrial",
    "Classifier",
    "FineTuneResult",
    "JobConfig",
    "PretrainResult",
    "RecordedRun",
    "SearchResult",
    "SearchSpace",
    "SentRequest",
    "Task",
    "TrainingConfig",
    "Verification",
    "__version__",
    "add",
    "confirm",
    "extend",
    "fine_tune",
    "load",
    "pretrain",
    "report",
    "resume",
    "runs",
    "stop",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("gluetune.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors"})
