"""A lane: an actor with a mailbox and Ray Train's controller, and the worker group behind it."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gluetune.errors import GluetuneError
from gluetune.events import LANE_FILES, LaneEvent
from gluetune.lanes.mailbox import Mailbox
from gluetune.lanes.protocol import LaneError, TrialAssignment, Workload
from gluetune.lanes.worker_group import WorkerGroupTrainer, current_actor_id, release_placement_groups
from gluetune.lanes.worker_main import serve
from gluetune.storage import Storage

SHUTDOWN_TIMEOUT_S = 8.0  # Ray Tune kills an actor whose `stop` takes longer than ten seconds
MAX_RESTARTS = 100  # of a lane's worker group: lost spot nodes cause some; a group that can never start must end
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Ray colours the name of the process in its error messages


@dataclass(frozen=True)
class LaneSpec:
    """The resources, workload and limits that all lanes of a search share.

    Attributes:
        workers: number of Ray Train workers, one process each.
        cpus: CPU cores of one worker; fractions allowed.
        gpus: GPUs of one worker; fractions allowed.
        placement_strategy: Ray's placement strategy of the workers, such as ``PACK``.
        workload: what the workers run; ``None`` where `Lane.set_workload` sets it later.
        storage: the search's folder.
        max_failures: how often a trial's worker group may die before the trial counts as failed.
    """

    workers: int
    cpus: float
    gpus: float
    placement_strategy: str
    workload: Workload | None
    storage: Storage
    max_failures: int

    @property
    def scaling(self) -> ScalingConfig:
        """The worker group as Ray Train's configuration."""
        resources = {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})
        return ScalingConfig(
            num_workers=self.workers,
            use_gpu=self.gpus > 0,
            resources_per_worker=resources,
            placement_strategy=self.placement_strategy,
        )


class Lane:
    """Starts a worker group and gives it one assignment at a time. Made inside the lane's actor, a `LaneActor`.

    Args:
        spec: the resources, workload and limits of the lane.
    """

    def __init__(self, spec: LaneSpec) -> None:
        name, self.mailbox = f"lane-{uuid.uuid4().hex[:6]}", Mailbox(spec.max_failures)
        self.mailbox.set_workload(spec.workload)
        self._actor = ray.get_runtime_context().current_actor
        self._trainer = WorkerGroupTrainer(
            serve,
            train_loop_config={"spec": replace(spec, workload=None), "lane_actor": self._actor, "name": name},
            scaling_config=spec.scaling,
            run_config=RunConfig(
                name=name,
                storage_path=spec.storage.uri(LANE_FILES),
                failure_config=FailureConfig(max_failures=MAX_RESTARTS),
            ),
        )
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def set_workload(self, workload: Workload) -> None:
        """Set the workload of a lane that was made without one; its workers wait for it."""
        self.mailbox.set_workload(workload)

    def assign(self, assignment: TrialAssignment) -> None:
        """Give the workers a new assignment; one that they still work on is cancelled."""
        self.mailbox.assign(assignment)

    async def next_event(self) -> LaneEvent:
        """Wait for the next event of the current assignment.

        Raises:
            LaneError: the worker group could not be started or kept alive, or the lane was closed.
        """
        return await self.mailbox.next_event()

    async def close(self) -> None:
        """End the workers, and kill those that do not end within `SHUTDOWN_TIMEOUT_S` seconds."""
        self.mailbox.close()
        await asyncio.to_thread(self._thread.join, SHUTDOWN_TIMEOUT_S)
        if self._thread.is_alive():
            await asyncio.to_thread(release_placement_groups, current_actor_id())

    def _run(self) -> None:
        try:
            self._trainer.fit()
            reason = "its workers left their loop"
        except Exception as error:
            reason = f"its worker group ended: {error}"
        with suppress(ray.exceptions.RayActorError):  # the actor may be gone by now
            ray.get(self._actor.call_mailbox.remote("close", reason))


class LaneActor:
    """Base class of actors that hold a lane, whose workers call its mailbox. Ray must run it as an async actor.

    Attributes:
        lane: the lane.
    """

    lane: Lane

    async def call_mailbox(self, method: str, *arguments: Any) -> Any:
        """Call a method of the lane's `Mailbox`, wait for it if it is a coroutine, and return its result."""
        result = getattr(self.lane.mailbox, method)(*arguments)
        return await result if inspect.isawaitable(result) else result


class RemoteLane:
    """A lane in an actor of its own, on the node of the calling process.

    Args:
        spec: the resources, workload and limits of the lane.
    """

    def __init__(self, spec: LaneSpec) -> None:
        same_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options: dict[str, Any] = {
            "num_cpus": 0,
            "scheduling_strategy": same_node,
            "runtime_env": {
                "env_vars": get_env_vars_to_propagate()
            },  # the variables that Ray Train's trainer passes on
        }
        self._actor: Any = ray.remote(**options)(_RemoteLaneActor).remote(spec)

    def assign(self, assignment: TrialAssignment) -> None:
        """Give the workers a new assignment; one that they still work on is cancelled.

        Raises:
            LaneError: the actor died.
        """
        self._call("assign", assignment)

    def next_event(self) -> LaneEvent:
        """Wait for the next event of the current assignment.

        Raises:
            LaneError: the worker group could not be started or kept alive, or the actor died.
        """
        event: LaneEvent = self._call("next_event")
        return event

    def close(self) -> None:
        """End the workers and the actor, and release their placement groups."""
        with suppress(ray.exceptions.RayError):  # the actor may be dead or closed already
            ray.get(self._actor.close.remote())
        ray.kill(self._actor)
        # The actor may have started workers anew, or have died before it could end them.
        release_placement_groups(self._actor._actor_id.hex())

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._actor, method).remote(*arguments))
        except ray.exceptions.RayTaskError as error:
            raise LaneError(root_cause(error)) from None
        except ray.exceptions.RayActorError as error:
            raise LaneError(f"its actor died: {error}") from None


class _RemoteLaneActor(LaneActor):
    def __init__(self, spec: LaneSpec) -> None:
        self.lane = Lane(spec)

    async def assign(self, assignment: TrialAssignment) -> None:
        self.lane.assign(assignment)

    async def next_event(self) -> LaneEvent:
        return await self.lane.next_event()

    async def close(self) -> None:
        await self.lane.close()


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
