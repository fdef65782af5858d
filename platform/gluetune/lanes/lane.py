"""A lane as the actor that holds it sees it: the mailbox, and the Ray Train run behind it."""

from __future__ import annotations

import asyncio
import inspect
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from gluetune.events import LANE_FILES, LaneEvent
from gluetune.lanes.group import GroupTrainer
from gluetune.lanes.mailbox import Mailbox, TrialAssignment
from gluetune.lanes.placement import current_actor_id, release_placement_groups
from gluetune.lanes.work import Workload
from gluetune.lanes.worker_main import serve
from gluetune.storage import Storage

CLOSING_S = 8.0  # after ten, Ray Tune kills the actor that closes its lane
MOST_RESTARTS = 100  # of a lane's worker group; a lane on spot nodes needs some, a broken one would never end


@dataclass(frozen=True)
class LaneSpec:
    """What every lane of a search is made of.

    Attributes:
        workers: Ray Train workers, one process each.
        cpus, gpus: of one worker; fractions allowed.
        placement_strategy: of the workers over nodes.
        work: what its workers do; ``None`` where the lane is told later.
        storage: the search's folder.
        max_failures: how often a trial's workers may die before the trial counts as failed.
    """

    workers: int
    cpus: float
    gpus: float
    placement_strategy: str
    work: Workload | None
    storage: Storage
    max_failures: int

    @property
    def scaling(self) -> ScalingConfig:
        """The worker group as Ray Train wants it."""
        resources = {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})
        return ScalingConfig(
            num_workers=self.workers,
            use_gpu=self.gpus > 0,
            resources_per_worker=resources,
            placement_strategy=self.placement_strategy,
        )


class Lane:
    """Starts a worker group and hands it one order at a time, from within the actor that holds it.

    Args:
        spec: what the lane is made of.
    """

    def __init__(self, spec: LaneSpec) -> None:
        name, self.mailbox = f"lane-{uuid.uuid4().hex[:6]}", Mailbox(spec.max_failures)
        self.mailbox.give(spec.work)
        self._holder = ray.get_runtime_context().current_actor
        self._trainer = GroupTrainer(
            serve,
            train_loop_config={"spec": replace(spec, work=None), "holder": self._holder, "name": name},
            scaling_config=spec.scaling,
            run_config=RunConfig(
                name=name,
                storage_path=spec.storage.uri(LANE_FILES),
                failure_config=FailureConfig(max_failures=MOST_RESTARTS),
            ),
        )
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def give(self, work: Workload) -> None:
        """Tells the workers what they do, which starts those that wait for it."""
        self.mailbox.give(work)

    def assign(self, order: TrialAssignment) -> None:
        """Sets the workers to a new order; one still in work is withdrawn."""
        self.mailbox.assign(order)

    async def collect(self) -> LaneEvent:
        """Waits for the next report on the current order.

        Raises:
            LaneError: the worker group could not be started or kept alive.
        """
        return await self.mailbox.collect()

    async def close(self) -> None:
        """Ends the workers. Those that do not end in time, for they evaluate, are killed with their room."""
        self.mailbox.close()
        await asyncio.to_thread(self._thread.join, CLOSING_S)
        if self._thread.is_alive():
            await asyncio.to_thread(release_placement_groups, current_actor_id())

    def _run(self) -> None:
        try:
            self._trainer.fit()
            reason = "its workers left their loop"
        except Exception as error:
            reason = f"its worker group ended: {error}"
        with suppress(ray.exceptions.RayActorError):  # it took too long to end
            ray.get(self._holder.mail.remote("close", reason))


class LaneActor:
    """What an actor that holds a lane is: its workers write to it. It must be an async actor.

    Attributes:
        lane: the lane.
    """

    lane: Lane

    async def mail(self, what: str, *arguments: Any) -> Any:
        """Calls a method of the lane's mailbox."""
        answer = getattr(self.lane.mailbox, what)(*arguments)
        return await answer if inspect.isawaitable(answer) else answer
