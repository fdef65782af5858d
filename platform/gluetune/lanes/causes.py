"""The root cause of an error that Ray brings from another process."""

from __future__ import annotations

import re
from collections.abc import Sequence

import ray

from gluetune.errors import GluetuneError

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # with which Ray names the process


def root_cause(error: BaseException) -> str:
    """What was wrong, of an error that ``ray.get`` raised: the message of what was raised in the other process.

    Only gluetune's own errors stand for themselves; of any other the traceback is kept.
    """
    while isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, GluetuneError):
        error = error.cause
    return _COLOURS.sub("", str(error)) or type(error).__name__


def describe_deaths(what: str, reasons: Sequence[str]) -> str:
    """Says why a trial or a run lost its lanes: the first reason first, and others that came later.

    Args:
        what: whose lanes, such as ``the trial's lane``.
        reasons: one for each lane, the first one first; empty where nothing is known.
    """
    known = list(dict.fromkeys(reason for reason in reasons if reason))
    times = "died" if len(reasons) <= 1 else f"died {len(reasons)} times"
    return f"{what} {times}" + (": " + "\nlater: ".join(known) if known else "")
