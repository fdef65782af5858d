"""Room on the cluster for lanes' workers: taken in the lane's name, so that it is known whose it was.

Ray 2.60 gives the placement group of a worker group back where that ends in an orderly way. It keeps one whose workers
die while their process group is set up, and one whose lane is killed. Ray's own remedy is one more process per lane.
Here whoever is next in need of room gives it back: the next group that starts, and at the end of all lanes the driver.
"""

from __future__ import annotations

import uuid
from typing import Any

import ray
from ray import PlacementGroupID
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.util import list_named_actors, placement_group, placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup

_GONE = "REMOVED"


class NamedGroup(WorkerGroup):  # type: ignore[misc]  # Ray has no type hints
    """Ray Train's worker group, whose placement group bears the lane's name; it frees what is left of others first."""

    def _create_placement_group(self, scaling_config: Any, worker_group_context: Any) -> DefaultPlacementGroupHandle:
        lane = self._train_run_context.run_config.name
        free_rooms(lane)
        wanted = worker_group_context
        return DefaultPlacementGroupHandle(placement_group(
            [wanted.resources_per_worker] * wanted.num_workers, strategy=wanted.placement_strategy,
            name=f"{_job()}/{lane}/{uuid.uuid4().hex}"))


def free_rooms(lane: str | None = None) -> None:
    """Gives back the rooms of one lane and of lanes that died, or of all lanes of this job.

    Args:
        lane: its name. Another one lives as long as its mailbox, the actor of its name.
    """
    job, kept = _job(), set() if lane is None else set(list_named_actors()) - {lane}
    for room in placement_group_table().values():
        owner = room["name"].split("/")
        if room["state"] != _GONE and owner[0] == job and len(owner) > 1 and owner[1] not in kept:
            # by its number, which does no harm where another lane was faster
            remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(room["placement_group_id"])))


def _job() -> str:
    return str(ray.get_runtime_context().get_job_id())
