"""Lanes: persistent Ray Train worker groups that serve trial after trial.

Starting a worker group costs many seconds, most of them imports. A lane pays them once: its workers run a server loop
(`gluetune.lane.worker`) that takes orders from a mailbox actor (`gluetune.lane.mailbox`) until the lane closes.

A lane is three processes of ours (trial actor with Ray Train's controller, mailbox, worker) and Ray's synchroniser.
This package imports Ray Train and torch only where they are asked for, so that the mailbox starts without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gluetune.lane.mailbox import LaneFailed, Order
from gluetune.lane.work import Contact, FineTuning, Work

if TYPE_CHECKING:
    from gluetune.lane.lane import Lane, LaneSpec

__all__ = ["Contact", "FineTuning", "Lane", "LaneFailed", "LaneSpec", "Order", "Work"]


def __getattr__(name: str) -> Any:
    if name not in ("Lane", "LaneSpec"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gluetune.lane import lane

    return getattr(lane, name)
