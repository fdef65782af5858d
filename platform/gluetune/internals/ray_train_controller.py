"""Subclasses of Ray Train's controller, worker group and scaling policy. Imported after `ray_train` checked Ray."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from typing import Any, cast

from ray.train import Result, RunConfig, ScalingConfig
from ray.train.backend import BackendConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup, state, worker_group
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util import placement_group

from gluetune.internals.guard import require, require_use

DISABLED_CALLBACKS = (
    DatasetsCallback,  # an actor that splits Ray datasets among workers: lanes have none
    PlacementGroupCleanerCallback,  # an actor that releases placement groups of dead controllers: the search does
)
BLOCKING_GET_WARNING = "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC"  # Ray's controller blocks its own event loop by design


class InProcessTrainer(DataParallelTrainer):
    """Ray Train's trainer, whose controller runs in this process.

    Args:
        group_name: first part of the name of each placement group.
        before_group: called before each placement group is created.
        train_function: what each worker runs.
        config: its argument.
        scaling: number and resources of the workers.
        run_config: the run's name and storage, and how often the group may be restarted.
    """

    def __init__(
        self,
        group_name: str,
        before_group: Callable[[], None],
        train_function: Callable[[dict[str, Any]], None],
        config: dict[str, Any],
        scaling: ScalingConfig,
        run_config: RunConfig,
    ) -> None:
        super().__init__(
            train_function,
            train_loop_config=config,
            scaling_config=scaling,
            run_config=run_config,
            backend_config=backend_config(scaling),
        )
        self._group_name, self._before_group = group_name, before_group

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if not isinstance(each, DISABLED_CALLBACKS)]

    def _initialize_and_run_controller(self, **parts: Any) -> Result:
        os.environ.setdefault(BLOCKING_GET_WARNING, "0")
        replaced: Any = worker_group  # for the rest of the process, which is the lane's actor
        replaced.SynchronizationActor, state._shutdown_sync_actor = NoopSyncActor, NoopSyncActor.remote
        parts["scaling_policy"] = NoCoordinatorScalingPolicy(self.scaling_config)  # type: ignore[arg-type]  # Ray's own second class of that name
        controller = _Controller(named_worker_group(self._group_name, self._before_group), **parts)
        asyncio.run(controller.run())
        return controller.get_result()


class NoCoordinatorScalingPolicy(FixedScalingPolicy):
    """A fixed number of workers, not reported to Ray's autoscaling coordinator.

    The coordinator is an actor whose start each search would wait for. The autoscaler learns what a lane needs from its
    placement group.
    """

    def after_controller_start(self, train_run_context: Any) -> None:
        """Do not start the coordinator."""

    def _maybe_send_resource_request(self) -> None:
        pass


class NamedWorkerGroup(WorkerGroup):
    """Ray Train's worker group with a named placement group.

    Attributes:
        group_name: first part of the placement group's name.
        before_group: called before the placement group is created.
    """

    group_name: str
    before_group: Callable[[], None]

    def _create_placement_group(self, scaling_config: Any, worker_group_context: Any) -> DefaultPlacementGroupHandle:
        self.before_group()
        return DefaultPlacementGroupHandle(
            placement_group(
                [worker_group_context.resources_per_worker] * worker_group_context.num_workers,
                strategy=worker_group_context.placement_strategy,
                name=f"{self.group_name}/{uuid.uuid4().hex}",
            )
        )

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        """Add no variables, so that a worker can run in a process that Ray has started already.

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
    def __init__(self, group_class: type[NamedWorkerGroup], **parts: Any) -> None:
        self.worker_group_cls = group_class
        super().__init__(**parts)


def named_worker_group(group_name: str, before_group: Callable[[], None]) -> type[NamedWorkerGroup]:
    """Return a class of worker groups for one lane, because Ray Train makes a new instance after each failure."""
    values = {"group_name": group_name, "before_group": staticmethod(before_group)}
    return cast("type[NamedWorkerGroup]", type("NamedWorkerGroup", (NamedWorkerGroup,), values))


def backend_config(scaling: ScalingConfig) -> BackendConfig | None:
    """Torch's process group and devices; ``None`` for one CPU worker, whose lane actor then does not import torch."""
    if scaling.use_gpu or int(scaling.num_workers) > 1:  # type: ignore[arg-type]  # not a search domain of Ray Tune
        from ray.train.torch import TorchConfig

        return TorchConfig(backend="nccl" if scaling.use_gpu else "gloo")
    return None


def probe() -> None:
    """Check that Ray Train calls what this module overrides and replaces.

    Raises:
        ProbeError: it does not.
    """
    require_use(
        DataParallelTrainer.fit, "_create_default_callbacks", "_initialize_and_run_controller", "create_scaling_policy"
    )
    require_use(
        DataParallelTrainer._create_default_callbacks,
        "BackendSetupCallback",
        *(kind.__name__ for kind in DISABLED_CALLBACKS),
    )
    require_use(TrainController._start_worker_group, "worker_group_cls")
    require_use(WorkerGroup._start_impl, "_create_placement_group", "SynchronizationActor")
    require_use(state.WorkerGroupState.shutdown, "_shutdown_sync_actor")
    require_use(state.WorkerGroupStateBuilder.shutdown, "_shutdown_sync_actor")
    require_use(FixedScalingPolicy.make_decision_for_non_running_worker_group, "_maybe_send_resource_request")
    require(WorkerGroup, "_get_worker_runtime_env")
    require(TrainController, "run", "get_result")
