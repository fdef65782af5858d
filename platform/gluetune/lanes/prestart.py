"""Lanes that start before anybody knows what they train: their imports and the driver's pass at the same time."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ray

from gluetune.cluster import Resources, prestart_resources, prestarted_lane_count, resolve_worker_resources
from gluetune.config import JobConfig, SearchSpace
from gluetune.errors import ClusterError, StorageError
from gluetune.events import JOB_FILE, LANE_FILES
from gluetune.lanes import Workload
from gluetune.storage import Storage
from gluetune.supervisor.process import gc_paused

if TYPE_CHECKING:
    from gluetune.lanes import LaneSpec


class PrestartedLanes:
    """A search's first lanes, started ahead of Ray Tune, which takes them when it asks for actors.

    They are the driver's own, and end with it. Where the search turns out to need other ones, none is taken. A search
    that is resumed has none: it may have nothing left to train.

    Args:
        job: the job.
        space: its search space.
        storage: the search's folder.
    """

    def __init__(self, job: JobConfig, space: SearchSpace, storage: Storage) -> None:
        self._job, self._space, self._storage = job, space, storage
        self._spec: LaneSpec | None = None
        self._waiting: list[Any] = []  # actors, the first one first

    def load(self) -> None:
        """Imports what `start` needs, a second's work: before other threads take the interpreter."""
        with gc_paused():
            import gluetune.lanes.trainable  # noqa: F401

    def start(self) -> None:
        """Starts as many as the connected cluster has room and cores for now, and as there can be trials for.

        None where their number or share is found later, or where they do not fit: the search says so, once its data
        and model are known to be good.
        """
        from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

        from gluetune.lanes.trainable import PrestartedTrial

        with suppress(ClusterError):
            if not self._begun() and (count := self._wanted()):
                self._spec = lane_spec(self._job, resolve_worker_resources(self._job.lanes), self._storage, None)
                environment = {name: os.environ[name] for name in ENV_VARS_TO_PROPAGATE if name in os.environ}
                kind = ray.remote(num_cpus=0, resources=prestart_resources(), runtime_env={"env_vars": environment})
                self._waiting = [kind(PrestartedTrial).remote(self._spec) for _ in range(count)]

    def limit(self, lanes: int) -> None:
        """Ends all where the search has fewer lanes: the cluster has lost nodes, and any of them may have no room now.

        Args:
            lanes: the search's.
        """
        if len(self._waiting) > lanes:
            self.give_way()

    def take(self, spec: LaneSpec, settings: dict[str, Any]) -> Any:
        """An actor for one of Tune's trials; ``None`` where there is none.

        Those that are not what the search needs, for the cluster has changed, end and give their room back. Those that
        died meanwhile are left out: they would cost a trial one of its failures.

        Args:
            spec: what the search's lanes are made of.
            settings: what Tune would make the actor with.
        """
        if self._waiting and replace(spec, work=None) != self._spec:
            self.give_way()
        self._leave_out_dead()
        if not self._waiting:
            return None
        actor = self._waiting.pop(0)
        actor.become.remote(spec.work, settings)
        return actor

    def close(self) -> None:
        """Ends the lanes that no trial took.

        `gluetune.lanes.placement.release_all_placement_groups` releases their placement groups.
        """
        while self._waiting:
            ray.kill(self._waiting.pop())

    def give_way(self) -> None:
        """Ends those that nobody took, and gives their room back; not while other lanes run."""
        from gluetune.lanes.placement import release_all_placement_groups

        self.close()
        release_all_placement_groups()

    def clear(self) -> None:
        """Deletes what lanes of a search that never began left in its folder. At the very end, off the cluster."""
        with suppress(StorageError):
            if self._spec is not None and not self._begun():
                self._storage.delete(LANE_FILES)

    def _begun(self) -> bool:
        return self._storage.exists(JOB_FILE)

    def _wanted(self) -> int:
        limits = [limit for limit in (self._job.search.num_samples, self._space.size) if limit is not None]
        return min([prestarted_lane_count(self._job.lanes), *(limit * len(self._job.tasks) for limit in limits)])

    def _leave_out_dead(self) -> None:
        if self._waiting:
            from gluetune.lanes.placement import dead_actor_ids

            dead = dead_actor_ids()
            self._waiting = [actor for actor in self._waiting if actor._actor_id.hex() not in dead]


def lane_spec(job: JobConfig, resources: Resources, storage: Storage, work: Workload | None) -> LaneSpec:
    """What a job's lanes are made of.

    Args:
        job: the job, with as many lanes as it gets.
        resources: of one worker.
        storage: the search's folder.
        work: what its workers do; ``None`` where that is still to come.
    """
    from gluetune.lanes import LaneSpec

    lanes = job.lanes
    return LaneSpec(
        workers=lanes.workers_per_lane,
        cpus=resources.cpus,
        gpus=resources.gpus,
        placement_strategy=lanes.placement_strategy,
        work=work,
        storage=storage,
        max_failures=job.search.max_failures,
    )
