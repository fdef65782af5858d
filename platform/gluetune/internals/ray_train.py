"""Ray Train's worker group, run by a controller in this process; on other versions of Ray, by `TorchTrainer.fit`.

Ray Train starts helper processes beside its workers: its controller, an actor that releases the placement groups of a
dead controller, one that synchronizes reports, one that splits datasets, one that watches for preempted nodes. Each
takes a second or two of CPU while the workers wait. A lane needs none of them: its actor runs the controller itself,
and trials resume from their last checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ray

from gluetune.internals.guard import Hook

if TYPE_CHECKING:  # Ray Train, whose import takes a second
    from ray.train import RunConfig, ScalingConfig

ENV_DEFAULTS = {  # of Ray Train, for variables that the user has not set
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",  # seconds until dead workers are noticed; Ray's default is 2
}
TrainFunction = Callable[[dict[str, Any]], None]


def _probe() -> None:
    from gluetune.internals import ray_train_controller

    ray_train_controller.probe()


IN_PROCESS_CONTROLLER = Hook(
    name="Ray Train's controller in the lane's own process",
    distribution="ray",
    verified=">=2.57,<2.61",
    probe=_probe,
    fallback="Ray Train's controller in an actor",
)


def lane_variables() -> dict[str, str]:
    """Return environment variables that the actor of a lane must be made with; none where the hook is used.

    The actor of Ray's that releases the placement groups of dead controllers asks Ray's dashboard whether they live.
    Where several Ray clusters run on a machine, it finds the dashboard only by ``RAY_ADDRESS``.
    """
    if IN_PROCESS_CONTROLLER.accepts_version():
        return {}
    return {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}


def run_worker_group(
    train_function: TrainFunction,
    config: dict[str, Any],
    scaling: ScalingConfig,
    run_config: RunConfig,
    group_name: str,
    before_group: Callable[[], None],
) -> None:
    """Run a function on a group of workers, restarted after failures, until all workers return. Blocks.

    Ray releases a group's placement group when the group ends in an orderly way, but not when workers die while their
    process group is set up, nor when this process dies. Without the hook, an actor of Ray's releases it in the second
    case.

    Args:
        train_function: what each worker runs.
        config: its argument.
        scaling: number and resources of the workers.
        run_config: the run's name and storage, and how often the group may be restarted.
        group_name: first part of the name of each placement group; used by the hook only.
        before_group: called before each placement group is created; used by the hook only.

    Raises:
        ray.train.TrainingFailedError: the group failed more often than allowed.
        UserError: the value of ``GLUETUNE_INTERNALS`` is not allowed.
    """
    for name, value in ENV_DEFAULTS.items():
        os.environ.setdefault(name, value)
    if IN_PROCESS_CONTROLLER.usable():
        from gluetune.internals.ray_train_controller import InProcessTrainer

        InProcessTrainer(group_name, before_group, train_function, config, scaling, run_config).fit()
        return
    from ray.train.torch import TorchTrainer

    TorchTrainer(train_function, train_loop_config=config, scaling_config=scaling, run_config=run_config).fit()
