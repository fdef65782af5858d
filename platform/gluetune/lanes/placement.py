"""Room on the cluster for lanes' workers: taken in the name of the lane's holder, so that it is known whose it was.

Ray 2.60 gives the placement group of a worker group back where that ends in an orderly way. It keeps one whose workers
die while their process group is set up, and one whose lane is killed. Ray's own remedy is one more process per lane.
Here whoever is next in need of room gives it back: the next group that starts, and at the end of all lanes the driver.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import ray
from ray import PlacementGroupID
from ray._private.state import actors
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.util import placement_group, placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup

_GONE, _DEAD = "REMOVED", "DEAD"


class OwnedWorkerGroup(WorkerGroup):
    """Ray Train's worker group, whose placement group names the lane's holder; it frees what is left of others first.

    It lives in the holder itself, with Ray Train's controller.
    """

    def _create_placement_group(self, scaling_config: Any, worker_group_context: Any) -> DefaultPlacementGroupHandle:
        holder = current_actor_id()
        release_placement_groups(holder)
        wanted = worker_group_context
        return DefaultPlacementGroupHandle(
            placement_group(
                [wanted.resources_per_worker] * wanted.num_workers,
                strategy=wanted.placement_strategy,
                name=f"{_job().hex()}/{holder}/{uuid.uuid4().hex}",
            )
        )

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        """Nothing of its own, so that a worker may run in a process that Ray has started already.

        The holder's environment, which workers inherit, has all that Ray Train would set.
        """
        return custom_runtime_env


def current_actor_id() -> str:
    """The number of the actor whose process this is."""
    return str(ray.get_runtime_context().get_actor_id())


def dead_actor_ids() -> set[str]:
    """Numbers of this job's actors that have died."""
    return {number for number, actor in actors(job_id=_job()).items() if actor["State"] == _DEAD}


def release_all_placement_groups() -> None:
    """Gives back the rooms of all lanes of this job."""
    _free(placement_group_table(), lambda holder: True)


def release_placement_groups(holder: str) -> None:
    """Gives back the rooms of one actor's lane, and of lanes whose actors died."""
    rooms = placement_group_table()  # first: whoever has a room by now is known as an actor
    living = {number for number, actor in actors(job_id=_job()).items() if actor["State"] != _DEAD}
    _free(rooms, lambda owner: owner == holder or owner not in living)


def _free(rooms: dict[str, Any], chosen: Callable[[str], bool]) -> None:
    job = _job().hex()
    for room in rooms.values():
        owner = room["name"].split("/")
        if room["state"] != _GONE and owner[0] == job and len(owner) > 1 and chosen(owner[1]):
            # by its number, which does no harm where another lane was faster
            remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(room["placement_group_id"])))


def _job() -> ray.JobID:
    return ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
