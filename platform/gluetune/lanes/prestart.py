"""Lanes that start before their workload is known, while the driver imports its libraries and loads its data."""

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
from gluetune.supervisor.driver import gc_paused

if TYPE_CHECKING:  # Ray Train
    from gluetune.lanes import LaneSpec


class PrestartedLanes:
    """A search's first lanes, started before Ray Tune asks for actors.

    The driver owns their actors, and they end with it. If the search turns out to need lanes of other resources, none
    of them is used. A resumed search starts none, because it may have nothing left to train.

    Args:
        job: the job.
        space: its search space.
        storage: the search's folder.
    """

    def __init__(self, job: JobConfig, space: SearchSpace, storage: Storage) -> None:
        self._job, self._space, self._storage = job, space, storage
        self._spec: LaneSpec | None = None
        self._actors: list[Any] = []  # that no trial has acquired, in the order of their start

    def load(self) -> None:
        """Import what `start` needs, which takes about a second; call it before other threads compete for the GIL."""
        with gc_paused():
            import gluetune.lanes.trainable  # noqa: F401

    def start(self) -> None:
        """Start as many lanes as the connected cluster has free cores for now, and as there can be trials for.

        Starts none where the number or the resources of lanes are measured later, or where they do not fit: the search
        reports that once its data and model are checked.
        """
        from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

        from gluetune.lanes.trainable import PrestartedTrainable

        with suppress(ClusterError):
            if not self._search_began() and (count := self._lane_count()):
                self._spec = lane_spec(self._job, resolve_worker_resources(self._job.lanes), self._storage, None)
                environment = {name: os.environ[name] for name in ENV_VARS_TO_PROPAGATE if name in os.environ}
                make = ray.remote(num_cpus=0, resources=prestart_resources(), runtime_env={"env_vars": environment})
                self._actors = [make(PrestartedTrainable).remote(self._spec) for _ in range(count)]

    @property
    def actors(self) -> tuple[Any, ...]:
        """Handles of the lanes' actors that no trial has acquired, in the order of their start."""
        return tuple(self._actors)

    def trim(self, lanes: int) -> None:
        """End all lanes if the search runs fewer: the cluster has lost nodes, and any lane may lack its resources now.

        Args:
            lanes: the number of lanes of the search.
        """
        if len(self._actors) > lanes:
            self.release()

    def acquire(self, spec: LaneSpec, settings: dict[str, Any]) -> Any:
        """Return the actor of a lane for one of Tune's trials, and set its workload.

        Lanes that do not match the spec, because the cluster has changed, are ended. Dead lanes are skipped, because
        Tune would count each as one of the trial's failures.

        Args:
            spec: the lanes of the search.
            settings: the keyword arguments that Tune would make the actor with.

        Returns:
            The actor's handle; ``None`` where no lane is left.
        """
        if self._actors and replace(spec, workload=None) != self._spec:
            self.release()
        self._drop_dead()
        if not self._actors:
            return None
        actor = self._actors.pop(0)
        actor.adopt.remote(spec.workload, settings)
        return actor

    def shutdown(self) -> None:
        """End the lanes that no trial acquired.

        `gluetune.lanes.worker_group.release_all_placement_groups` releases their placement groups.
        """
        while self._actors:
            ray.kill(self._actors.pop())

    def release(self) -> None:
        """End the lanes that no trial acquired and release all placement groups; not while other lanes run."""
        from gluetune.lanes.worker_group import release_all_placement_groups

        self.shutdown()
        release_all_placement_groups()

    def cleanup(self) -> None:
        """Delete the files that the lanes of a search that never began left in its folder.

        Call it after the driver has left the cluster.
        """
        with suppress(StorageError):
            if self._spec is not None and not self._search_began():
                self._storage.delete(LANE_FILES)

    def _search_began(self) -> bool:
        return self._storage.exists(JOB_FILE)

    def _lane_count(self) -> int:
        limits = [limit for limit in (self._job.search.num_samples, self._space.size) if limit is not None]
        return min([prestarted_lane_count(self._job.lanes), *(limit * len(self._job.tasks) for limit in limits)])

    def _drop_dead(self) -> None:
        if self._actors:
            from gluetune.lanes.worker_group import dead_actor_ids

            dead = dead_actor_ids()
            self._actors = [actor for actor in self._actors if actor._actor_id.hex() not in dead]


def lane_spec(job: JobConfig, resources: Resources, storage: Storage, workload: Workload | None) -> LaneSpec:
    """Return the specification of a job's lanes.

    Args:
        job: the job, with a number for ``lanes.max_concurrent_trials``.
        resources: CPUs and GPUs of one worker.
        storage: the search's folder.
        workload: what the workers run; ``None`` where it is set later.
    """
    from gluetune.lanes import LaneSpec

    lanes = job.lanes
    return LaneSpec(
        workers=lanes.workers_per_lane,
        cpus=resources.cpus,
        gpus=resources.gpus,
        placement_strategy=lanes.placement_strategy,
        workload=workload,
        storage=storage,
        max_failures=job.search.max_failures,
    )
