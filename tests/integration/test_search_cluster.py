"""What a search takes of a cluster, and its errors where the cluster lacks it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.state import actors

from benchmarks.noop_search import NoopSearchSpec, NoopTrial, StartBarrier, make_controller
from gluetune.cluster import Resources, connect_to_ray, resolve_worker_resources, take_snapshot
from gluetune.config import LanesConfig, SearchConfig
from gluetune.errors import ClusterError
from gluetune.events import JournalReader
from gluetune.lanes import LanePool, LaneSpec, TrialAssignment
from gluetune.search.ray_tasks import cancel_on_error
from gluetune.search.trials import SearchStatus, run_trials
from gluetune.storage import Storage

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


def test_trials_that_are_shorter_than_the_start_of_a_trainable_take_one_trainable_per_lane(
    ray_cluster: None, tmp_path: Path
) -> None:
    """The first trial ends when the first Trainable has started, and the second one has not."""
    search, storage = NoopSearchSpec(count=20, lanes=2, scheduler="none"), Storage(str(tmp_path))
    barrier: Any = ray.remote(num_cpus=0)(StartBarrier).remote(1)
    pool, before, started = LanePool(), trainables(), tmp_path / "started"

    class Waiting(NoopTrial):  # a local class, which Ray pickles by value
        def run(self, assignment: TrialAssignment, *rest: Any) -> None:
            super().run(assignment, *rest)
            while not started.exists():  # the search has its last evaluation, but the lane is not free yet
                time.sleep(0.05)

    def note_start() -> None:
        while not any(state == "ALIVE" for number, state in trainables().items() if number not in before):
            time.sleep(0.05)
        started.touch()

    threading.Thread(target=note_start, daemon=True).start()
    pool.configure(LaneSpec(1, 0.5, 0.0, "PACK", storage, max_failures=0), search.lanes)
    pool.set_workload(Waiting(search, barrier))
    try:
        status = run_trials(make_controller(search, storage, []), pool, SearchConfig(), search.lanes)
    finally:
        pool.shutdown()
        ray.kill(barrier)
    assert status is SearchStatus.COMPLETE
    assert {trial.status for trial in JournalReader(storage).trials.values()} == {"finished"}
    assert len(trainables().keys() - before.keys()) <= search.lanes


def trainables() -> dict[str, str]:
    """The states of all Trainables that the cluster has had, by actor id."""
    found = actors()
    return {number: actor["State"] for number, actor in found.items() if actor["ActorClassName"] == "LaneTrainable"}
