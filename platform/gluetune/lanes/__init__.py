"""Lanes: persistent Ray Train worker groups, each of which runs one trial after another.

Starting a worker group takes many seconds, most of them spent on imports. A lane pays them once: its workers request
assignments from a mailbox (`gluetune.lanes.mailbox`) in a loop (`gluetune.lanes.worker`) until the lane closes. A lane
consists of an actor, which holds the mailbox and Ray Train's controller, and of its worker processes. The pool
(`gluetune.lanes.pool`) starts lanes and leases them to assignments.

Importing this package imports neither torch nor Ray Train.
"""

from gluetune.lanes.pool import LanePool, Lease, resolve_event, root_cause
from gluetune.lanes.protocol import LaneError, LaneSpec, TrialAssignment, TrialContext, Workload, describe_deaths

__all__ = [
    "LaneError",
    "LanePool",
    "LaneSpec",
    "Lease",
    "TrialAssignment",
    "TrialContext",
    "Workload",
    "describe_deaths",
    "resolve_event",
    "root_cause",
]
