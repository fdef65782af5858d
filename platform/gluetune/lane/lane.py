"""A lane as its trial actor holds it: the mailbox, and the Ray Train run behind it."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from gluetune.lane.entry import serve
from gluetune.lane.group import GroupTrainer, here
from gluetune.lane.mailbox import LaneFailed, Mailbox, Order
from gluetune.lane.room import free_rooms
from gluetune.lane.work import Work
from gluetune.records import LaneEvent
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
        work: what its workers do.
        storage: the search's folder.
        max_failures: how often a trial's workers may die before the trial counts as failed.
    """

    workers: int
    cpus: float
    gpus: float
    placement_strategy: str
    work: Work
    storage: Storage
    max_failures: int

    @property
    def scaling(self) -> ScalingConfig:
        """The worker group as Ray Train wants it."""
        resources = {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})
        return ScalingConfig(num_workers=self.workers, use_gpu=self.gpus > 0, resources_per_worker=resources,
                             placement_strategy=self.placement_strategy)


class Lane:
    """Starts a worker group and hands it one order at a time.

    Args:
        spec: what the lane is made of.
        name: its name, unique in the search.
    """

    def __init__(self, spec: LaneSpec, name: str) -> None:
        self._name = name
        self._mailbox = ray.remote(name=name, num_cpus=0, max_concurrency=1000, scheduling_strategy=here())(
            Mailbox).remote(spec.max_failures)
        self._trainer = GroupTrainer(
            serve,
            train_loop_config={"spec": spec, "mailbox": self._mailbox, "name": name},
            scaling_config=spec.scaling,
            run_config=RunConfig(name=name, storage_path=spec.storage.uri("lanes"),
                                 failure_config=FailureConfig(max_failures=MOST_RESTARTS)),
        )
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def assign(self, order: Order) -> None:
        """Sets the workers to a new order; one still in work is withdrawn."""
        ray.get(self._mailbox.assign.remote(order))

    def collect(self) -> LaneEvent:
        """Waits for the next report on the current order.

        Raises:
            LaneFailed: the worker group could not be started or kept alive.
        """
        try:
            report: LaneEvent = ray.get(self._mailbox.collect.remote())
        except ray.exceptions.RayTaskError as error:
            raise LaneFailed(str(error.cause)) from None
        return report

    def close(self) -> None:
        """Ends the workers, and the mailbox: as long as it is there, the lane keeps its room.

        Workers that do not end in time, for they evaluate, are killed with their room.
        """
        with suppress(ray.exceptions.RayActorError):  # it is closed already
            ray.get(self._mailbox.close.remote())
        self._thread.join(CLOSING_S)
        ray.kill(self._mailbox)
        if self._thread.is_alive():
            self._trainer.abandon()
            free_rooms(self._name)

    def _run(self) -> None:
        try:
            self._trainer.fit()
            reason = "its workers left their loop"
        except Exception as error:
            reason = f"its worker group ended: {error}"
        with suppress(ray.exceptions.RayActorError):  # it took too long to end
            ray.get(self._mailbox.close.remote(reason))
