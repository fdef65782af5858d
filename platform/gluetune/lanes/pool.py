"""The pool of a run's lanes, in the driver: it starts lanes, leases them, replaces dead ones, and ends all.

A lane outlives the trials that lease it, and Ray Tune's experiment: the same lanes evaluate the winners afterwards.
Lane actors run on the driver's node, because a run ends with its driver anyway; their workers run where the cluster has
resources. A lane whose workers wait for resources can be leased too: its first assignment begins when an autoscaler has
added the node.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gluetune.errors import GluetuneError
from gluetune.events import LaneEvent
from gluetune.internals.guard import VARIABLE
from gluetune.lanes.placement_groups import release_all_placement_groups, release_placement_groups
from gluetune.lanes.protocol import LaneError, LaneSpec, TrialAssignment, Workload

_DEATH_TIMEOUT_S = 5.0
_NOTICE_TIMEOUT_S = 1.0
SHUTDOWN_TIMEOUT_S = 8.0  # for the workers of closed lanes to end their last step and checkpoint
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Ray colours the name of the process in its error messages
_PROPAGATED_PREFIXES = ("RAY_TRAIN_", VARIABLE)
_PROPAGATED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")


@dataclass
class _Lane:
    """A lane of the pool.

    Attributes:
        name: the name of its actor.
        actor: the actor's handle.
        ready: reference that becomes available when a worker first requests work; ``None`` once it has.
        closed: reference to why the lane closed; available, or an error, when the lane is dead.
        process: reference that becomes an error when the process of the actor has ended.
    """

    name: str
    actor: Any
    ready: Any
    closed: Any
    process: Any


@dataclass(frozen=True)
class Lease:
    """One assignment's lease of a lane.

    Attributes:
        lane: the name of the lane's actor.
        actor: its handle.
        assignment_id: the assignment.
    """

    lane: str
    actor: Any
    assignment_id: int

    def request_event(self) -> Any:
        """Request the assignment's next event; return a Ray reference for `resolve_event`."""
        return self.actor.next_event.remote(self.assignment_id)

    def request_event_json(self, after: int) -> Any:
        """Request the assignment's next event as JSON.

        Args:
            after: the number of the event before, which this call acknowledges; 0 at first.

        Returns:
            A Ray reference for `resolve`, to the event's number and its JSON.
        """
        return self.actor.event_json_after.remote(self.assignment_id, after)

    def next_event(self) -> LaneEvent | None:
        """Wait for the assignment's next event.

        Returns:
            The event; ``None`` where the lease was released.

        Raises:
            LaneError: the lane died.
        """
        return resolve_event(self.request_event())


class LanePool:
    """Starts, leases, replaces and ends the lanes of one run. It is used by one thread of the driver.

    Lanes can start before the run's data are loaded: `start` is then called before `set_workload`.

    Example:
        >>> pool = LanePool()  # doctest: +SKIP
        >>> pool.start(spec, 2)  # doctest: +SKIP
        >>> pool.set_workload(workload)  # doctest: +SKIP
        >>> lease = pool.lease(assignment)  # doctest: +SKIP
        >>> lease.next_event()  # doctest: +SKIP
        Evaluated(...)
        >>> pool.release(lease)  # doctest: +SKIP
        >>> pool.shutdown()  # doctest: +SKIP

    Attributes:
        spec: the resources and limits of each lane; ``None`` before `start` or `configure`.
        held_since: when the first of its lanes was started, in seconds since the epoch; ``None`` where it has none.
    """

    def __init__(self) -> None:
        self.spec: LaneSpec | None = None
        self.held_since: float | None = None
        self._workload: Workload | None = None
        self._lanes: dict[str, _Lane] = {}  # by name, in the order of their start
        self._reasons: dict[str, str] = {}  # why lanes died, by name
        self._leases: dict[int, Lease] = {}  # by assignment
        self._last_id = 0

    def __len__(self) -> int:
        """Return the number of living lanes."""
        self._drop_dead()
        return len(self._lanes)

    @property
    def all_ready(self) -> bool:
        """Whether the workers of all living lanes have started."""
        self._drop_dead()
        self._mark_ready(self._lanes.values())
        return all(lane.ready is None for lane in self._lanes.values())

    @property
    def max_failures(self) -> int:
        """How often an assignment may lose its lane before it counts as failed."""
        return 0 if self.spec is None else self.spec.max_failures

    def start(self, spec: LaneSpec, lanes: int) -> None:
        """Start lanes until there are this many.

        Args:
            spec: the resources and limits of each lane.
            lanes: the number of lanes.
        """
        self.configure(spec, lanes)
        for _ in range(lanes - len(self)):
            self._start_lane()

    def configure(self, spec: LaneSpec, lanes: int) -> None:
        """Set what the lanes are; end those that have started if they are not of this kind, or if they are too many.

        They are too many where the cluster has lost nodes: any of them may then lack its resources.

        Args:
            spec: the resources and limits of each lane.
            lanes: the largest number of lanes.
        """
        if self._lanes and (spec != self.spec or len(self) > lanes):
            self.shutdown()
        self.spec = spec

    def set_workload(self, workload: Workload) -> None:
        """Set what the workers of all lanes run."""
        self._workload = workload
        for lane in self._lanes.values():
            lane.actor.set_workload.remote(workload)

    def lease(self, assignment: TrialAssignment) -> Lease:
        """Give an assignment to a free lane, preferably one whose workers have started; start a lane if none is free.

        Args:
            assignment: the assignment, without an id.

        Returns:
            The lease, which `release` ends.
        """
        return self._assign(self._free_lane() or self._start_lane(), assignment)

    def lease_again(self, lease: Lease, assignment: TrialAssignment) -> Lease:
        """End a lease and give its lane, if that lives, the next assignment; otherwise lease another lane.

        The lane cancels what it still does for the lease by itself, because the new assignment replaces the old one.

        Args:
            lease: the lease.
            assignment: the next assignment, without an id.

        Returns:
            The new lease.
        """
        self._drop_dead()
        lane = self._lanes.get(lease.lane) if self._leases.pop(lease.assignment_id, None) else None
        return self.lease(assignment) if lane is None else self._assign(lane, assignment)

    def release(self, lease: Lease) -> None:
        """End a lease, and cancel what its lane still does for it. The lane can be leased again at once."""
        if self._leases.pop(lease.assignment_id, None) is not None:
            lease.actor.cancel.remote(lease.assignment_id)

    def release_all(self) -> None:
        """End all leases. Processes that wait for an event of one get ``None``."""
        for lease in list(self._leases.values()):
            self.release(lease)

    def death_reason(self, lease: Lease) -> str | None:
        """Return why the lane of a lease died; ``None`` where it lives.

        A lane whose call has just failed is given `_NOTICE_TIMEOUT_S` seconds to prove dead, because Ray reports the
        failures of an actor's calls one by one.
        """
        lane = self._lanes.get(lease.lane)
        if lane is not None:
            ray.wait([lane.closed], timeout=_NOTICE_TIMEOUT_S)
        self._drop_dead()
        return self._reasons.get(lease.lane)

    def shutdown(self, timeout_s: float = 0.0) -> None:
        """End all lanes, and release their resources.

        Args:
            timeout_s: seconds for the workers to end by themselves, before they are killed.
        """
        self._leases.clear()
        lanes = list(self._lanes.values())
        self._lanes.clear()
        self.held_since = None
        if not ray.is_initialized():
            return
        if timeout_s and lanes:
            closing = [lane.actor.close.remote() for lane in lanes]
            ray.wait(closing, num_returns=len(closing), timeout=timeout_s)
        _kill(lanes)
        release_all_placement_groups()

    def _assign(self, lane: _Lane, assignment: TrialAssignment) -> Lease:
        self._last_id += 1
        lease = Lease(lane.name, lane.actor, self._last_id)
        lane.actor.assign.remote(replace(assignment, assignment_id=lease.assignment_id))
        self._leases[lease.assignment_id] = lease
        return lease

    def _free_lane(self) -> _Lane | None:
        self._drop_dead()
        leased = {lease.lane for lease in self._leases.values()}
        free = [lane for lane in self._lanes.values() if lane.name not in leased]
        self._mark_ready(free)
        return min(free, key=lambda lane: lane.ready is not None, default=None)

    @staticmethod
    def _mark_ready(lanes: Iterable[_Lane]) -> None:
        for lane in lanes:
            if lane.ready is not None and _done(lane.ready):
                lane.ready = None

    def _drop_dead(self) -> None:
        closed = {lane.closed: lane for lane in self._lanes.values()}
        dead = ray.wait(list(closed), num_returns=len(closed), timeout=0)[0] if closed else []
        for lane in (closed[reference] for reference in dead):
            self._reasons[lane.name] = _death_reason(lane)
            del self._lanes[lane.name]
            _kill([lane])  # a lane that closed by itself still has its actor
            release_placement_groups(lane.name)

    def _start_lane(self) -> _Lane:
        from gluetune.internals.ray_train import lane_variables
        from gluetune.lanes.lane import LaneActor

        if self.spec is None:
            raise ValueError("a lane pool must be configured before it leases a lane")
        name = f"lane-{uuid.uuid4().hex[:6]}"
        same_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options: dict[str, Any] = {"num_cpus": 0, "name": name, "scheduling_strategy": same_node}
        variables = propagated_variables() | lane_variables()
        if variables:  # without any, the actor can run in a process that Ray has started
            options["runtime_env"] = {"env_vars": variables}
        actor: Any = ray.remote(**options)(LaneActor).remote(self.spec, name, self._workload)
        lane = _Lane(
            name, actor, actor.wait_until_ready.remote(), actor.wait_until_closed.remote(), actor.block.remote()
        )
        self._lanes[name] = lane
        self.held_since = self.held_since or time.time()
        return lane


def propagated_variables() -> dict[str, str]:
    """Return the variables of this process's environment that lanes on other nodes must have."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_PROPAGATED_PREFIXES) or name in _PROPAGATED
    }


def _kill(lanes: list[_Lane]) -> None:
    """Kill the actors of lanes and wait for their end: a process that still lives could make a placement group."""
    for lane in lanes:
        ray.kill(lane.actor)
    if lanes:
        ray.wait([lane.process for lane in lanes], num_returns=len(lanes), timeout=_DEATH_TIMEOUT_S)


def _done(reference: Any) -> bool:
    return bool(ray.wait([reference], timeout=0)[0])


def _death_reason(lane: _Lane) -> str:
    try:
        return str(ray.get(lane.closed))
    except ray.exceptions.RayActorError as error:
        return f"its actor died: {error}"
    except ray.exceptions.RayTaskError as error:  # the actor could not be made
        return root_cause(error)


def next_event(lane: Any, assignment_id: int) -> LaneEvent | None:
    """Wait for the next event of an assignment of a lane, from any process of the search.

    Args:
        lane: handle of the `LaneActor`.
        assignment_id: the assignment.

    Returns:
        The event; ``None`` where the assignment was cancelled or replaced, or the lane closed.

    Raises:
        LaneError: the worker group could not be started or kept alive, or the actor died.
    """
    return resolve_event(lane.next_event.remote(assignment_id))


def resolve_event(reference: Any) -> LaneEvent | None:
    """Wait for the result of a call of `LaneActor.next_event`, and return it.

    Raises:
        LaneError: the worker group could not be started or kept alive, or the actor died.
    """
    event: LaneEvent | None = resolve(reference)
    return event


def resolve(reference: Any) -> Any:
    """Wait for the result of a call of a `LaneActor`, and return it.

    Raises:
        LaneError: the worker group could not be started or kept alive, or the actor died.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise LaneError(root_cause(error)) from None
    except ray.exceptions.RayActorError as error:
        raise LaneError(f"its actor died: {error}") from None


def root_cause(error: BaseException) -> str:
    """Return the message of an error that Ray brings from another process.

    Args:
        error: as `ray.get` raised it.

    Returns:
        The message alone for gluetune's own errors; message and traceback for all others.
    """
    while isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, GluetuneError):
        error = error.cause
    return _COLOURS.sub("", str(error)) or type(error).__name__
