"""Lanes: persistent Ray Train worker groups, each of which runs one trial after another.

Starting a worker group takes many seconds, most of them spent on imports. A lane pays them once: its workers request
assignments from a mailbox (`gluetune.lanes.mailbox`) in a loop (`gluetune.lanes.worker`) until the lane closes. A lane
consists of an actor, which holds the mailbox and Ray Train's controller, and of its worker processes.

Importing this package imports neither torch nor Ray Train: `Lane`, `LaneActor`, `LaneSpec`, `RemoteLane` and
`root_cause` are loaded on first access.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gluetune.lanes.protocol import LaneError, TrialAssignment, TrialContext, Workload, describe_deaths

if TYPE_CHECKING:
    from gluetune.lanes.lane import Lane, LaneActor, LaneSpec, RemoteLane, root_cause

__all__ = [
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
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gluetune.lanes import lane

    return getattr(lane, name)
