"""A lane's worker group: Ray Train's, with fewer processes around it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import ray
from ray.train import Result, ScalingConfig
from ray.train.backend import BackendConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import ENABLE_PREEMPTION_WATCHER_ENV_VAR
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

_UNUSED = (
    DatasetsCallback,  # an actor that deals out Ray datasets: there are none
    PlacementGroupCleanerCallback,  # an actor that gives room back once the controller is dead: so does Ray itself
)


class WorkerGroup(DataParallelTrainer):  # type: ignore[misc]  # Ray has no type hints
    """Ray Train's trainer, which `ray.train.torch.TorchTrainer` is too.

    Its helpers are processes that each take a second or two of CPU to start, while the workers wait; those of no use
    to a lane are left out. Inside an actor Ray Train's controller is no process of its own but runs in the actor, which
    is as long-lived. `gluetune.lane.mailbox` sees to what becomes of trials on nodes that go; nobody watches for them.
    """

    def __init__(self, serve: Any, scaling_config: ScalingConfig, **settings: Any) -> None:
        super().__init__(serve, scaling_config=scaling_config, backend_config=_backend(scaling_config), **settings)

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, _UNUSED)]

    def _initialize_and_run_controller(self, **parts: Any) -> Result:
        os.environ[ENABLE_PREEMPTION_WATCHER_ENV_VAR] = "0"
        if ray.get_runtime_context().get_actor_id() is None:  # workers are given their controller's actor
            return super()._initialize_and_run_controller(**parts)
        controller = TrainController(**parts)
        asyncio.run(controller.run())
        return controller.get_result()


def _backend(scaling: ScalingConfig) -> BackendConfig | None:
    """torch's process group and devices; a single worker on CPUs needs neither, and this process no torch then."""
    if scaling.use_gpu or scaling.num_workers > 1:
        from ray.train.torch import TorchConfig

        return TorchConfig(backend="nccl" if scaling.use_gpu else "gloo")
    return None
