"""Events of older schemas, converted to the current one when a journal is read.

Schema 0, whose journals have no header, differs from schema 1 in three ways: evaluations lack ``total_steps`` and
``steps_per_epoch``; pre-training runs use the events of fine-tuning; numbers that are not finite are the constants
``NaN`` and ``Infinity``, which JSON does not have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gluetune.config import TrainingConfig, Value
from gluetune.events.trials import TrialRecord

_PRETRAINING = "pretraining"  # the task of pre-training runs
_SHARED = ("time", "number", "index", "step", "epoch", "learning_rate", "train_seconds", "eval_seconds", "lane")
_DEFAULTS = TrainingConfig().model_dump()


def upgrade_event(values: dict[str, Any], schema: int, trials: Mapping[int, TrialRecord]) -> dict[str, Any]:
    """Convert an event of an older schema.

    Args:
        values: the event's fields as they are in the journal.
        schema: their schema version.
        trials: trials by number, as of the event before.

    Returns:
        The fields of an event of the current schema.

    Raises:
        KeyError: the event is of a trial that was never started.
        ValueError: a field is missing or has another type than in that schema.
    """
    return _from_schema_0(values, trials) if schema == 0 else values


def _from_schema_0(values: dict[str, Any], trials: Mapping[int, TrialRecord]) -> dict[str, Any]:
    kind = values.get("event")
    if kind == "winner" and values.get("task") == _PRETRAINING:
        return {"event": "encoder_saved"} | {name: values.get(name) for name in ("time", "number", "folder")}
    if kind != "evaluated":
        return values
    trial = trials[values["number"]]
    try:
        if trial.task == _PRETRAINING:
            return _pretraining_evaluated(values, trial.training)
        steps_per_epoch = round(values["step"] / values["epoch"])
        return values | {
            "steps_per_epoch": steps_per_epoch,
            "total_steps": _total_steps(trial.training, steps_per_epoch),
        }
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"not an evaluation of schema 0: {type(error).__name__} {error}") from error


def _pretraining_evaluated(values: dict[str, Any], training: Mapping[str, Value | None]) -> dict[str, Any]:
    found: dict[str, Any] = {name: values[name] for name in _SHARED if name in values} | values["metrics"]
    return found | {
        "event": "pretraining_evaluated",
        "total_steps": training["max_steps"],
        "pairs": values["train_examples"],
        "tokens": values["train_tokens"],
        "precision": values.get("precision"),
    }


def _total_steps(training: Mapping[str, Value | None], steps_per_epoch: int) -> int:
    """Return the steps of a trial as training plans them; the number of epochs need not be whole."""
    settings = _DEFAULTS | dict(training)
    return int(settings["max_steps"] or math.ceil(float(settings["num_train_epochs"]) * steps_per_epoch))
