"""Metrics of the user: ``module:function``, such as ``sklearn.metrics:cohen_kappa_score``.

The function is imported in the driver and in every worker, also from the directory that the driver was started in. It
is called as ``function(y_true, y_pred)`` with class ids [rows], of a multi-label task with 0 and 1 [rows, classes], of
a regression with numbers [rows]. If its second parameter is named ``y_score``, ``y_prob`` or ``y_proba``, it gets
probabilities instead: [rows, classes], and [rows] those of the second of two classes. It must return a finite number
for all predictions, constant ones included. More is better, unless the name ends in ``:min``:
``costs:expected_cost:min``.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from gluetune.errors import ConfigError, ConfigIssue, did_you_mean

_MINIMISED = ":min"
_PROBABILITIES = ("y_score", "y_prob", "y_proba")

OwnFunction = Callable[[Any, Any], Any]


def is_own(name: str) -> bool:
    """Whether a metric's name is that of a function of the user."""
    return ":" in name


def is_minimised(name: str) -> bool:
    """Whether less is better, by the name of a function of the user."""
    return name.endswith(_MINIMISED)


def short_name(name: str) -> str:
    """Return the function's name."""
    return name.removesuffix(_MINIMISED).rpartition(":")[2]


def takes_probabilities(name: str) -> bool:
    """Whether the function takes probabilities rather than predictions.

    Raises:
        ConfigError: the function cannot be imported.
    """
    try:
        parameters = list(inspect.signature(import_metric(name)).parameters)
    except ValueError:  # some functions that are written in C have no signature
        return False
    return len(parameters) > 1 and parameters[1] in _PROBABILITIES


@cache
def import_metric(name: str) -> OwnFunction:
    """Import the function.

    Args:
        name: ``module:function`` or ``module:function:min``.

    Raises:
        ConfigError: there is no such module or function, or importing it raised an exception.
    """
    where, _, attribute = name.removesuffix(_MINIMISED).rpartition(":")
    if not where or not attribute.isidentifier() or ":" in where:
        raise _refused(f"must be module:function, or module:function:min where less is better, but got {name!r}")
    if (working := os.getcwd()) not in sys.path:
        sys.path.append(working)  # as Ray does in workers; a console script starts without it
    try:
        module = importlib.import_module(where)
    except Exception as error:
        raise _refused(f"{where} cannot be imported for {name!r}: {type(error).__name__}: {error}") from error
    found = getattr(module, attribute, None)
    if found is None:
        known = [known for known, value in vars(module).items() if callable(value)]
        raise _refused(f"{where} must have {attribute!r}, but has none{did_you_mean(attribute, known)}")
    if not callable(found):
        raise _refused(f"{name} must be a function, but is {type(found).__name__}")
    function: OwnFunction = found
    return function


def call_metric(name: str, labels: Any, outputs: Any) -> float:
    """Call the function.

    Args:
        name: its name.
        labels: [rows] or [rows, classes].
        outputs: predictions, or probabilities where it takes them.

    Raises:
        ConfigError: it raised an exception, or did not return a finite number.
    """
    function = import_metric(name)
    try:
        value = float(function(labels, outputs))
    except Exception as error:
        raise _refused(f"{name} must return a number, but raised {type(error).__name__}: {error}") from error
    if not math.isfinite(value):
        raise _refused(f"{name} must return a finite number for all predictions, but returned {value}")
    return value


def _refused(message: str) -> ConfigError:
    return ConfigError([ConfigIssue("metric", message)])
