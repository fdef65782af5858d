"""Ray Train's worker group without the helper processes that a lane does not need, and its placement groups.

Ray Train's helpers are processes that each take a second or two of CPU to start, while the workers wait. A lane leaves
out those it does not use, and the watcher for preempted nodes, because trials resume from their last checkpoint anyway.
It runs Ray Train's controller in a thread of its own actor, without which the controller would be of no use.

Ray 2.60 releases a worker group's placement group when the group ends in an orderly way. It keeps the placement group
when workers die while their process group is set up, and when the lane's actor is killed. Ray's own remedy is one more
process per lane. Here each placement group is named after the job and the lane's actor, and is released by the next
worker group that starts, or by the driver after its last lane.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from typing import Any

import ray
from ray import PlacementGroupID
from ray._common.constants import RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR
from ray._private.state import actors
from ray.train import Result, ScalingConfig
from ray.train.backend import BackendConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import (
    ENABLE_PREEMPTION_WATCHER_ENV_VAR,
    HEALTH_CHECK_INTERVAL_S_ENV_VAR,
)
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup, state, worker_group
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util import placement_group, placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup

DISABLED_CALLBACKS = (
    DatasetsCallback,  # an actor that splits Ray datasets among workers: lanes have none
    PlacementGroupCleanerCallback,  # an actor that releases placement groups of dead controllers: this module does
)
ENV_DEFAULTS = {  # for variables that the user has not set
    ENABLE_PREEMPTION_WATCHER_ENV_VAR: "0",
    HEALTH_CHECK_INTERVAL_S_ENV_VAR: "1",  # seconds until dead workers are noticed; Ray's default is 2
    RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR: "0",  # Ray's controller blocks its own event loop by design
}
_REMOVED, _DEAD = "REMOVED", "DEAD"


class WorkerGroupTrainer(DataParallelTrainer):
    """Ray Train's trainer, which starts a worker group and restarts it after failures.

    Args:
        serve: function that each worker runs.
        scaling_config: number and resources of the workers.
        settings: further arguments of Ray's `DataParallelTrainer`.
    """

    def __init__(self, serve: Any, scaling_config: ScalingConfig, **settings: Any) -> None:
        super().__init__(serve, scaling_config=scaling_config, backend_config=_backend(scaling_config), **settings)

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if not isinstance(each, DISABLED_CALLBACKS)]

    def _initialize_and_run_controller(self, **parts: Any) -> Result:
        parts["scaling_policy"] = NoCoordinatorScalingPolicy(self.scaling_config)  # type: ignore[arg-type]  # Ray's own second class of that name
        controller = _Controller(**parts)
        asyncio.run(controller.run())
        return controller.get_result()


class NoCoordinatorScalingPolicy(FixedScalingPolicy):
    """A fixed number of workers, not reported to Ray's autoscaling coordinator.

    The coordinator is an actor whose start each search would wait for. The autoscaler learns what a lane needs from its
    placement group.
    """

    def after_controller_start(self, train_run_context: Any) -> None:
        """Does not start the coordinator."""

    def _maybe_send_resource_request(self) -> None:
        pass


class OwnedWorkerGroup(WorkerGroup):
    """Ray Train's worker group, whose placement group is named after the actor that owns the lane.

    Before it creates its own, it releases placement groups that dead lanes left.
    """

    def _create_placement_group(self, scaling_config: Any, worker_group_context: Any) -> DefaultPlacementGroupHandle:
        owner = current_actor_id()
        release_placement_groups(owner)
        return DefaultPlacementGroupHandle(
            placement_group(
                [worker_group_context.resources_per_worker] * worker_group_context.num_workers,
                strategy=worker_group_context.placement_strategy,
                name=f"{_job_id().hex()}/{owner}/{uuid.uuid4().hex}",
            )
        )

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        """Adds no variables, so that a worker can run in a process that Ray has started already.

        Workers inherit the environment of the lane's actor, which has all variables that Ray Train would add.
        """
        return custom_runtime_env


class NoopSyncActor:
    """Takes the place of Ray Train's `SynchronizationActor`, an actor per worker group for reports and barriers.

    Lanes use neither.
    """

    @classmethod
    def options(cls, **_: Any) -> type[NoopSyncActor]:
        """Return the class itself, as Ray returns an actor class with options."""
        return cls

    @staticmethod
    def remote(*_: Any, **__: Any) -> str:
        """Return a placeholder for the actor's handle."""
        return "none"


class _Controller(TrainController):
    worker_group_cls = OwnedWorkerGroup

    def __init__(self, **parts: Any) -> None:
        for name, value in ENV_DEFAULTS.items():
            os.environ.setdefault(name, value)
        replaced: Any = worker_group
        replaced.SynchronizationActor, state._shutdown_sync_actor = NoopSyncActor, NoopSyncActor.remote
        super().__init__(**parts)


def current_actor_id() -> str:
    """Return the id of the actor that this process runs."""
    return str(ray.get_runtime_context().get_actor_id())


def dead_actor_ids() -> set[str]:
    """Return the ids of this job's actors that have died."""
    return {actor_id for actor_id, actor in actors(job_id=_job_id()).items() if actor["State"] == _DEAD}


def release_all_placement_groups() -> None:
    """Release the placement groups of all lanes of this job."""
    _release(placement_group_table(), lambda owner: True)


def release_placement_groups(owner_id: str) -> None:
    """Release the placement groups of one actor's lane, and those of lanes whose actors died.

    Args:
        owner_id: the id of the actor.
    """
    groups = placement_group_table()  # read first: the owner of each of them is then among the known actors
    alive = {actor_id for actor_id, actor in actors(job_id=_job_id()).items() if actor["State"] != _DEAD}
    _release(groups, lambda owner: owner == owner_id or owner not in alive)


def _release(groups: dict[str, Any], chosen: Callable[[str], bool]) -> None:
    job = _job_id().hex()
    for group in groups.values():
        name = group["name"].split("/")
        if group["state"] != _REMOVED and name[0] == job and len(name) > 1 and chosen(name[1]):
            # By id, which is harmless where another lane has released it already.
            remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group["placement_group_id"])))


def _job_id() -> ray.JobID:
    return ray.JobID.from_hex(ray.get_runtime_context().get_job_id())


def _backend(scaling: ScalingConfig) -> BackendConfig | None:
    """Torch's process group and devices; ``None`` for one CPU worker, whose lane actor then does not import torch."""
    if scaling.use_gpu or int(scaling.num_workers) > 1:  # type: ignore[arg-type]  # not a search domain of Ray Tune
        from ray.train.torch import TorchConfig

        return TorchConfig(backend="nccl" if scaling.use_gpu else "gloo")
    return None
