"""Lanes: persistent Ray Train worker groups that serve trial after trial.

Starting a worker group costs many seconds, most of them imports. A lane pays them once: its workers run a server loop
(`gluetune.lanes.worker`) that takes orders from a mailbox (`gluetune.lanes.mailbox`) until the lane closes.

A lane is the actor that holds it, with the mailbox and Ray Train's controller in it, and its workers. This package
imports Ray Train and torch only where they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gluetune.lanes.causes import describe_deaths, root_cause
from gluetune.lanes.mailbox import LaneError, TrialAssignment
from gluetune.lanes.work import FineTuning, TrialContext, Workload

if TYPE_CHECKING:
    from gluetune.lanes.lane import Lane, LaneActor, LaneSpec
    from gluetune.lanes.remote import RemoteLane

__all__ = [
    "FineTuning",
    "Lane",
    "LaneActor",
    "LaneError",
    "LaneSpec",
    "RemoteLane",
    "TrialAssignment",
    "TrialContext",
    "Workload",
    "describe_deaths",
    "root_cause",
]


def __getattr__(name: str) -> Any:
    if name not in ("LaneActor", "Lane", "LaneSpec", "RemoteLane"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gluetune.lanes import remote

    return getattr(remote, name)
