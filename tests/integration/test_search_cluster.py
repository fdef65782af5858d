"""The resources of a search on a cluster, and its errors where the cluster lacks them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import ray

from gluetune.cluster import Resources, connect_to_ray, resolve_worker_resources, take_snapshot
from gluetune.config import LanesConfig
from gluetune.errors import ClusterError
from gluetune.search.ray_tasks import cancel_on_error

pytestmark = pytest.mark.ray

CPUS = os.cpu_count() or 1


def lanes(**settings: object) -> LanesConfig:
    return LanesConfig.model_validate(settings)


def worker_resources(config: LanesConfig) -> Resources:
    return resolve_worker_resources(config, take_snapshot())


def test_auto_divides_the_cpus_among_all_workers(ray_cluster: None) -> None:
    assert worker_resources(lanes(max_concurrent_trials=CPUS)) == Resources(1.0, 0.0)
    assert worker_resources(lanes(max_concurrent_trials=2 * CPUS)) == Resources(0.5, 0.0)
    assert worker_resources(lanes(max_concurrent_trials=1)) == Resources(float(CPUS), 0.0)


def test_more_workers_than_the_cluster_can_ever_hold_is_an_error(ray_cluster: None) -> None:
    rule = rf"{CPUS + 1} workers of 1 CPU each do not fit on 1 node\(s\) with {CPUS} CPU"
    with pytest.raises(ClusterError, match=rule):
        worker_resources(lanes(workers_per_lane=CPUS + 1, cpus_per_worker=1.0))


def test_a_missing_gpu_is_an_error(ray_cluster: None) -> None:
    with pytest.raises(ClusterError, match="workers of 1 CPU, 1 GPU each do not fit"):
        worker_resources(lanes(cpus_per_worker=1.0, gpus_per_worker=1.0))


def test_workers_on_different_nodes_need_as_many_nodes(ray_cluster: None) -> None:
    with pytest.raises(ClusterError, match="on different nodes do not fit"):
        worker_resources(lanes(workers_per_lane=2, cpus_per_worker=0.5, placement_strategy="STRICT_SPREAD"))


def test_an_address_where_no_cluster_answers_is_an_error() -> None:
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at '127\.0\.0\.1:1'"):
        connect_to_ray("127.0.0.1:1")


def test_a_task_is_cancelled_where_a_stop_ends_the_wait_for_it(ray_cluster: None, tmp_path: Path) -> None:
    def work(started: Path) -> None:
        started.touch()
        time.sleep(600)

    task = ray.remote(num_cpus=1, max_retries=2)(work).remote(tmp_path / "started")
    while not (tmp_path / "started").exists():
        time.sleep(0.05)
    with pytest.raises(KeyboardInterrupt), cancel_on_error([task]):
        raise KeyboardInterrupt
    with pytest.raises((ray.exceptions.TaskCancelledError, ray.exceptions.WorkerCrashedError)):
        ray.get(task, timeout=60)


def test_a_finished_task_is_never_cancelled(ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray aborts the driver if it cancels a task at the moment of its end."""
    cancelled: list[object] = []
    monkeypatch.setattr(ray, "cancel", lambda task, **_: cancelled.append(task))
    task = ray.remote(num_cpus=1)(lambda: 7).remote()
    with cancel_on_error([task]):
        assert ray.get(task, timeout=60) == 7
    with pytest.raises(KeyboardInterrupt), cancel_on_error([task]):
        raise KeyboardInterrupt
    assert not cancelled
