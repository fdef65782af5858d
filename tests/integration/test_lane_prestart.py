"""Lanes that start before their search is loaded: trials use them, or they end and leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.state import actors
from ray.util import placement_group_table

from benchmarks.noop_search import NoopSearchSpec, NoopTrial, StartBarrier, make_controller
from gluetune.cluster import resolve_worker_resources, take_snapshot
from gluetune.config import JobConfig, LanesConfig, TrainingConfig, load_space
from gluetune.events import JOB_FILE, Evaluated, JournalReader
from gluetune.lanes import LaneSpec, TrialAssignment
from gluetune.lanes.prestart import PrestartedLanes, lane_spec
from gluetune.search.leased_trials import LeasedTrials
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.workloads.fine_tuning import FineTuning
from searches import run_here, write_job
from training_setup import task_data, tiny_encoder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

JOB = JobConfig(name="prestarted", tasks={"cola": 1.0}, lanes=LanesConfig(max_concurrent_trials=2))
LONG_S = 300.0  # also on a busy machine


def assignment() -> TrialAssignment:
    training = TrainingConfig(learning_rate=1e-3, batch_size=16, num_train_epochs=2).model_dump()
    return TrialAssignment(0, "cola", training, 7, "trials/cola-0000")


def workload() -> FineTuning:
    data, encoder = task_data(get_task("cola"), train=64), tiny_encoder(dropout=0.0)
    return FineTuning({"": {"cola": ray.put(data)}}, {"": ray.put(encoder)})


def lanes(folder: Path) -> PrestartedLanes:
    return PrestartedLanes(JOB, load_space(JOB.search.space, None), Storage(str(folder)))


def spec(folder: Path) -> LaneSpec:
    resources = resolve_worker_resources(JOB.lanes, take_snapshot())
    return lane_spec(JOB.lanes, resources, Storage(str(folder)), JOB.search.max_failures)


def alive_actor_classes() -> set[str]:
    return {actor["ActorClassName"] for actor in actors(actor_state_name="ALIVE").values()}


def states() -> list[str]:
    return [group["state"] for group in placement_group_table().values()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def prestarted(ray_cluster: None, tmp_path: Path) -> Iterator[PrestartedLanes]:
    """Prestarted lanes whose workers run; nothing is left of them after the test."""
    prestarted_lanes = lanes(tmp_path)

    prestarted_lanes.start()
    wait_until(lambda: "RayTrainWorker" in alive_actor_classes())
    yield prestarted_lanes
    prestarted_lanes.pool.shutdown()
    wait_until(lambda: not alive_actor_classes())


def test_one_core_is_left_to_the_driver_and_lanes_of_other_resources_are_ended(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    def cleaned_up() -> bool:
        prestarted.cleanup()
        return Storage(str(tmp_path)).list() == []

    assert states().count("CREATED") == 1
    assert len(prestarted.pool) == 1
    prestarted.pool.configure(spec(tmp_path / "another"), 2)
    assert not len(prestarted.pool)
    wait_until(lambda: not alive_actor_classes())
    wait_until(lambda: set(states()) == {"REMOVED"})
    wait_until(cleaned_up)  # a process may still write while it is killed


def test_the_search_trains_on_a_lane_that_started_before_it_and_replaces_it_when_it_dies(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    pool = prestarted.pool
    pool.configure(spec(tmp_path), 2)
    assert len(pool) == 1
    pool.set_workload(workload())
    lease = pool.lease(assignment())
    assert len(pool) == 1
    for epoch in (1.0, 2.0):
        event = lease.next_event()
        assert isinstance(event, Evaluated)
        assert event.epoch == epoch
    again = pool.lease_again(lease, assignment())
    assert again.lane == lease.lane
    assert lease.next_event() is None
    assert isinstance(again.next_event(), Evaluated)
    ray.kill(lease.actor)
    wait_until(lambda: not len(pool))
    assert pool.lease_again(again, assignment()).lane != lease.lane


def test_trials_follow_each_other_on_a_lane_before_ray_tune_has_started(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    search, storage, pool = NoopSearchSpec(count=3, lanes=1, scheduler="none"), Storage(str(tmp_path)), prestarted.pool
    barrier: Any = ray.remote(num_cpus=0)(StartBarrier).remote(1)
    pool.set_workload(NoopTrial(search, barrier))
    trials = LeasedTrials(make_controller(search, storage, []), pool, max_failures=0)
    trials.start_before_tune(1)
    while trials.all_run_before_tune:
        trials.wait_for_events()
    assert [trial.status for trial in JournalReader(storage).trials.values()] == ["finished"] * 3
    assert len(pool) == 1
    ray.kill(barrier)


def test_a_resumed_search_prestarts_no_lanes(ray_cluster: None, tmp_path: Path) -> None:
    Storage(str(tmp_path)).write(JOB_FILE, b"")
    prestarted_lanes = lanes(tmp_path)

    prestarted_lanes.start()
    assert not len(prestarted_lanes.pool)


def test_an_error_after_the_lanes_have_started_leaves_nothing_behind(ray_cluster: None, tmp_path: Path) -> None:
    search = ("--config", write_job(tmp_path), "--name", "late", "--storage-path", tmp_path / "runs")
    assert "nowhere" in run_here(*search, "--model-name-or-path", tmp_path / "nowhere", code=2)
    assert set(Storage(str(tmp_path / "runs" / "late")).list()) <= {".lock", "logs"}
    wait_until(lambda: not alive_actor_classes())
    assert set(states()) <= {"REMOVED"}
    run_here(*search, "--dry-run")  # the name can be used again
