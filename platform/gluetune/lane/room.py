"""Room on the cluster for lanes' workers: taken in the lane's name, so that it is known whose it was.

Ray 2.60 gives the placement group of a worker group back where that ends in an orderly way. It keeps one whose workers
die while their process group is set up, and one whose lane is killed: until the search ends a GPU would idle, its node
never go, and without a spare node the next lane would wait for ever. Ray's own remedy is one more process per lane.
"""

from __future__ import annotations

import uuid
from typing import Any

import ray
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.util import get_placement_group, placement_group, placement_group_table, remove_placement_group

_GONE = "REMOVED"


class RoomyGroup(WorkerGroup):  # type: ignore[misc]  # Ray has no type hints
    """Ray Train's worker group; before it asks for room, it gives back what the lane, and lanes that died, left."""

    def _create_placement_group(self, scaling_config: Any, worker_group_context: Any) -> DefaultPlacementGroupHandle:
        lane = self._train_run_context.run_config.name
        free_rooms(lane)
        wanted = worker_group_context
        return DefaultPlacementGroupHandle(placement_group(
            [wanted.resources_per_worker] * wanted.num_workers, strategy=wanted.placement_strategy,
            name=f"{_job()}/{lane}/{uuid.uuid4().hex}"))


def free_rooms(lane: str) -> None:
    """Gives back the rooms of this job that are one lane's, or that of lanes whose mailbox is no more."""
    for room in placement_group_table().values():
        job, _, rest = room["name"].partition("/")
        owner = rest.partition("/")[0]
        if job == _job() and room["state"] != _GONE and (owner == lane or not _lives(owner)):
            remove_placement_group(get_placement_group(room["name"]))


def _job() -> str:
    return str(ray.get_runtime_context().get_job_id())


def _lives(lane: str) -> bool:
    try:
        ray.get_actor(lane)
    except ValueError:
        return False
    return True
