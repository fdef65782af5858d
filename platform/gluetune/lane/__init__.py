"""Lanes: persistent Ray Train worker groups that serve trial after trial.

Starting a worker group costs half a minute, most of it imports. A lane pays it once: its workers run a server loop
(`gluetune.lane.worker`) that takes orders from a mailbox actor (`gluetune.lane.mailbox`) until the lane closes.
"""

from gluetune.lane.lane import Lane, LaneSpec
from gluetune.lane.mailbox import LaneFailed, Order
from gluetune.lane.work import Contact, FineTuning, Work

__all__ = ["Contact", "FineTuning", "Lane", "LaneFailed", "LaneSpec", "Order", "Work"]
