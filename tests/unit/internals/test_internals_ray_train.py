"""The hook into Ray Train: its probe, and what it leaves out of a worker group."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.train import RunConfig, ScalingConfig
from ray.train.v2._internal.execution.controller import TrainController

from gluetune.internals import ray_train_controller
from gluetune.internals.guard import ProbeError
from gluetune.internals.ray_train import IN_PROCESS_CONTROLLER
from gluetune.internals.ray_train_controller import InProcessTrainer
from gluetune.lanes.worker_main import serve


def test_the_installed_ray_is_one_that_the_hook_was_verified_with() -> None:
    assert IN_PROCESS_CONTROLLER.usable()


def test_the_probe_notices_a_controller_that_starts_its_workers_in_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainController, "_start_worker_group", lambda self: None)
    with pytest.raises(ProbeError, match="worker_group_cls"):
        ray_train_controller.probe()


@pytest.mark.parametrize(("workers", "gpu"), [(1, False), (2, False), (1, True)])
def test_unused_helpers_of_ray_train_are_not_started(tmp_path: Path, workers: int, gpu: bool) -> None:
    names = [type(callback).__name__ for callback in _trainer(tmp_path, workers, gpu=gpu)._create_default_callbacks()]
    assert "BackendSetupCallback" in names
    assert not {"DatasetsCallback", "PlacementGroupCleanerCallback"} & set(names)


@pytest.mark.parametrize(("workers", "gpu", "backend"), [(2, False, "gloo"), (2, True, "nccl"), (1, True, "nccl")])
def test_workers_that_need_a_torch_process_group_get_one(tmp_path: Path, workers: int, gpu: bool, backend: str) -> None:
    assert _trainer(tmp_path, workers, gpu=gpu).backend_config.backend == backend


def _trainer(folder: Path, workers: int, *, gpu: bool) -> InProcessTrainer:
    scaling = ScalingConfig(num_workers=workers, use_gpu=gpu)
    run_config = RunConfig(name="lane", storage_path=str(folder))
    return InProcessTrainer("job/lane", lambda: None, serve, {}, scaling, run_config)
