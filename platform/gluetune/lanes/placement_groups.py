"""The placement groups of lanes: their names, and their release after a lane that did not end in an orderly way.

Ray Train 2.60 releases a worker group's placement group when the group ends in an orderly way. It keeps the placement
group when workers die while their process group is set up, and when the lane's actor is killed. Each placement group is
therefore named after the job and the lane, so that the lane's next worker group or the driver finds and releases it.

Ray Train's own controller, which lanes fall back on (`gluetune.internals.ray_train`), names no placement groups. An
actor of Ray's then releases them when the lane's actor dies.
"""

from __future__ import annotations

from collections.abc import Callable

import ray
from ray import PlacementGroupID
from ray.util import placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup

_REMOVED = "REMOVED"


def group_name(lane_name: str) -> str:
    """Return the first part of the names of a lane's placement groups."""
    return f"{ray.get_runtime_context().get_job_id()}/{lane_name}"


def release_placement_groups(lane_name: str) -> None:
    """Release the placement groups of one lane.

    Args:
        lane_name: the lane's name.
    """
    _release(lambda name: name == lane_name)


def release_all_placement_groups() -> None:
    """Release the placement groups of all lanes of this job."""
    _release(lambda name: True)


def _release(chosen: Callable[[str], bool]) -> None:
    job = ray.get_runtime_context().get_job_id()
    for group in placement_group_table().values():
        name = group["name"].split("/")
        if group["state"] != _REMOVED and name[0] == job and len(name) > 1 and chosen(name[1]):
            # By id, which is harmless where another process has released it already.
            remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group["placement_group_id"])))
