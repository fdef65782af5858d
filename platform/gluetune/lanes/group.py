"""A lane's worker group: Ray Train's, with fewer processes around it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ray._common.constants import RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR
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
from ray.train.v2._internal.execution.worker_group import state, worker_group
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from gluetune.lanes.placement import OwnedWorkerGroup

_UNUSED = (
    DatasetsCallback,  # an actor that deals out Ray datasets: there are none
    PlacementGroupCleanerCallback,  # an actor that gives dead lanes' room back: `gluetune.lanes.placement` does
)

_SETTINGS = {  # where the user has none
    ENABLE_PREEMPTION_WATCHER_ENV_VAR: "0",
    HEALTH_CHECK_INTERVAL_S_ENV_VAR: "1",  # seconds until it sees that workers have died or left; two by default
    RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR: "0",  # Ray's controller blocks its own loop, as its own trainer says
}


class GroupTrainer(DataParallelTrainer):
    """Ray Train's trainer, as `ray.train.torch.TorchTrainer` is one.

    Ray Train's helpers are processes that each take a second or two of CPU to start, while the workers wait. Those of
    no use to a lane are left out, and so is the watcher for nodes that will go: trials on them go on from their last
    checkpoint in any case. Ray Train's controller needs no process of its own either: it would not outlive the actor
    that holds the lane, and runs in a thread of it.

    Args:
        serve: what each worker runs.
        scaling_config: the worker group.
        settings: `DataParallelTrainer`'s own.
    """

    def __init__(self, serve: Any, scaling_config: ScalingConfig, **settings: Any) -> None:
        super().__init__(serve, scaling_config=scaling_config, backend_config=_backend(scaling_config), **settings)

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, _UNUSED)]

    def _initialize_and_run_controller(self, **parts: Any) -> Result:
        parts["scaling_policy"] = _NoCoordinatorScalingPolicy(self.scaling_config)  # type: ignore[arg-type]  # Ray's own second class of that name
        controller = _Controller(**parts)
        asyncio.run(controller.run())
        return controller.get_result()


class _NoCoordinatorScalingPolicy(FixedScalingPolicy):
    """Says nothing to Ray's autoscaling coordinator, an actor whose start each search would wait for.

    The placement group asks for the room, and the autoscaler hears of it.
    """

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class _Controller(TrainController):
    worker_group_cls = OwnedWorkerGroup

    def __init__(self, **parts: Any) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        replaced: Any = worker_group
        replaced.SynchronizationActor, state._shutdown_sync_actor = _NoopSyncActor, _NoopSyncActor.remote
        super().__init__(**parts)


class _NoopSyncActor:
    """In place of Ray Train's synchroniser: an actor of each worker group, for ``ray.train.report`` and its barriers.

    Lanes have no use for those.
    """

    @classmethod
    def options(cls, **_: Any) -> type[_NoopSyncActor]:
        return cls

    @staticmethod
    def remote(*_: Any, **__: Any) -> str:
        return "none"


def _backend(scaling: ScalingConfig) -> BackendConfig | None:
    """Torch's process group and devices; a single worker on CPUs needs neither, and this process no torch then."""
    if scaling.use_gpu or int(scaling.num_workers) > 1:  # type: ignore[arg-type]  # no domain: Tune chooses none
        from ray.train.torch import TorchConfig

        return TorchConfig(backend="nccl" if scaling.use_gpu else "gloo")
    return None
