"""A lane's worker group, and the environment variables that reach it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ray
from ray import PlacementGroupID
from ray._private.state import actors
from ray.train import RunConfig, ScalingConfig
from ray.util import placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup

from gluetune.internals.guard import VARIABLE
from gluetune.internals.ray_train import run_worker_group
from gluetune.lanes import placement_groups
from gluetune.lanes.placement_groups import release_all_placement_groups

__all__ = [
    "WorkerGroupTrainer",
    "current_actor_id",
    "dead_actor_ids",
    "lane_environment",
    "release_all_placement_groups",
    "release_placement_groups",
]
_PREFIXES = ("RAY_TRAIN_", VARIABLE)
_DEAD = "DEAD"


class WorkerGroupTrainer:
    """Runs a lane's workers, restarted after failures, on placement groups that are named after the lane.

    Args:
        serve: function that each worker runs.
        train_loop_config: its argument.
        scaling_config: number and resources of the workers.
        run_config: the lane's name and storage, and how often its workers may be restarted.
    """

    def __init__(
        self,
        serve: Callable[[dict[str, Any]], None],
        train_loop_config: dict[str, Any],
        scaling_config: ScalingConfig,
        run_config: RunConfig,
    ) -> None:
        self._serve, self._config, self._scaling, self._run_config = (
            serve,
            train_loop_config,
            scaling_config,
            run_config,
        )

    def fit(self) -> None:
        """Run the workers until all of them return.

        Raises:
            ray.train.TrainingFailedError: they failed more often than allowed.
        """
        name = f"{placement_groups.group_name(str(self._run_config.name))}/{current_actor_id()}"
        run_worker_group(
            self._serve,
            self._config,
            self._scaling,
            self._run_config,
            name,
            lambda: release_placement_groups(current_actor_id()),
        )


def lane_environment() -> dict[str, str]:
    """Return the environment variables that the user has set for lanes, for the runtime environment of their actors.

    These are the settings of Ray Train, which reads them in the lane's actor and its workers, and
    ``GLUETUNE_INTERNALS``. Without any of them a lane's actor can run in a process that Ray has started already.
    """
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES)}


# What follows ends with the lanes that Ray Tune makes: the pool of lanes knows which of them are dead.


def current_actor_id() -> str:
    """Return the id of the actor that this process runs."""
    return str(ray.get_runtime_context().get_actor_id())


def dead_actor_ids() -> set[str]:
    """Return the ids of this job's actors that have died."""
    return {actor_id for actor_id, actor in actors(job_id=_job_id()).items() if actor["State"] == _DEAD}


def release_placement_groups(owner_id: str) -> None:
    """Release the placement groups of one actor's lane, and those of lanes whose actors died.

    Args:
        owner_id: the id of the actor.
    """
    groups = placement_group_table()  # read first: the owner of each of them is then among the known actors
    alive = {actor_id for actor_id, actor in actors(job_id=_job_id()).items() if actor["State"] != _DEAD}
    for group in groups.values():
        name = group["name"].split("/")
        if group["state"] == "REMOVED" or name[0] != _job_id().hex() or len(name) < 3:
            continue
        if name[2] == owner_id or name[2] not in alive:
            remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group["placement_group_id"])))


def _job_id() -> ray.JobID:
    return ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
