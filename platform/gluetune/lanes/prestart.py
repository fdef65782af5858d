"""Lanes that start before their workload is known, while the driver imports its libraries and loads its data."""

from __future__ import annotations

from contextlib import suppress

from gluetune.cluster import Resources, prestarted_lane_count, resolve_worker_resources, take_snapshot
from gluetune.config import JobConfig, LanesConfig, SearchSpace
from gluetune.errors import ClusterError, StorageError
from gluetune.events import JOB_FILE, LANE_FILES
from gluetune.lanes.pool import LanePool
from gluetune.lanes.protocol import LaneSpec
from gluetune.storage import Storage


class PrestartedLanes:
    """A search's lane pool, whose first lanes start as soon as the cluster is connected.

    A resumed search starts none, because it may have nothing left to train.

    Args:
        job: the job.
        space: its search space.
        storage: the search's folder.

    Attributes:
        pool: the pool.
    """

    def __init__(self, job: JobConfig, space: SearchSpace, storage: Storage) -> None:
        self._job, self._space, self._storage = job, space, storage
        self.pool = LanePool()

    def start(self) -> None:
        """Start as many lanes as the connected cluster has free cores for now, and as there can be trials for.

        Start none where the number or the resources of lanes are measured later, or where they do not fit: the search
        reports that once its data and model are checked.
        """
        if self._search_began():
            return
        with suppress(ClusterError):
            cluster = take_snapshot()
            count = min([prestarted_lane_count(self._job.lanes, cluster), *self._trial_limits()])
            resources = resolve_worker_resources(self._job.lanes, cluster)
            self.pool.start(lane_spec(self._job.lanes, resources, self._storage, self._job.search.max_failures), count)

    def cleanup(self) -> None:
        """Delete the files that the lanes of a search that never began left in its folder.

        Call it after the driver has left the cluster.
        """
        with suppress(StorageError):
            if self.pool.spec is not None and not self._search_began():
                self._storage.delete(LANE_FILES)

    def _search_began(self) -> bool:
        return self._storage.exists(JOB_FILE)

    def _trial_limits(self) -> list[int]:
        """Numbers of trials that the search cannot exceed."""
        search, tasks = self._job.search, len(self._job.tasks)
        per_task = [limit * tasks for limit in (search.num_samples, self._space.size) if limit is not None]
        return per_task if search.budget.trials is None else [*per_task, search.budget.trials]


def lane_spec(lanes: LanesConfig, resources: Resources, storage: Storage, max_failures: int) -> LaneSpec:
    """Return the specification of a run's lanes.

    Args:
        lanes: the settings of the lanes.
        resources: CPUs and GPUs of one worker.
        storage: the run's folder.
        max_failures: how often an assignment's worker group may die before the assignment counts as failed.
    """
    return LaneSpec(
        workers=lanes.workers_per_lane,
        cpus=resources.cpus,
        gpus=resources.gpus,
        placement_strategy=lanes.placement_strategy,
        storage=storage,
        max_failures=max_failures,
    )
