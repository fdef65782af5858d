"""Prestarted lanes: Tune uses them, or they end and leave nothing behind."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.state import actors
from ray.util import placement_group_table

from gluetune.cluster import resolve_worker_resources
from gluetune.config import JobConfig, LanesConfig, TrainingConfig, load_space
from gluetune.events import JOB_FILE
from gluetune.lanes import LaneSpec, TrialAssignment
from gluetune.lanes.prestart import PrestartedLanes, lane_spec
from gluetune.lanes.worker_group import release_all_placement_groups
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.workloads.fine_tuning import FineTuning
from searches import run, run_here, write_job
from training_setup import task_data, tiny_encoder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

JOB = JobConfig(name="prestarted", tasks={"cola": 1.0}, lanes=LanesConfig(max_concurrent_trials=2))
LONG_S = 300.0  # also on a busy machine


def settings() -> dict[str, Any]:
    training = TrainingConfig(learning_rate=1e-3, batch_size=16, num_train_epochs=2).model_dump()
    return {
        "config": {
            "assignment": json.dumps(dataclasses.asdict(TrialAssignment(0, "cola", training, 7, "trials/cola-0000")))
        }
    }


def workload() -> FineTuning:
    return FineTuning({"cola": ray.put(task_data(get_task("cola"), train=64))}, ray.put(tiny_encoder(dropout=0.0)))


def lanes(folder: Path) -> PrestartedLanes:
    return PrestartedLanes(JOB, load_space(JOB.search.space, None), Storage(str(folder)))


def spec(folder: Path) -> LaneSpec:
    return lane_spec(JOB, resolve_worker_resources(JOB.lanes), Storage(str(folder)), workload())


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
    prestarted_lanes.load()
    prestarted_lanes.start()
    started = list(prestarted_lanes.actors)
    wait_until(lambda: "RayTrainWorker" in alive_actor_classes())
    yield prestarted_lanes
    for actor in started:
        ray.kill(actor)
    release_all_placement_groups()
    wait_until(lambda: not alive_actor_classes())


def test_one_core_is_left_to_the_driver_and_lanes_of_other_resources_are_released(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    def cleaned_up() -> bool:
        prestarted.cleanup()
        return Storage(str(tmp_path)).list() == []

    assert states().count("CREATED") == 1
    assert prestarted.acquire(spec(tmp_path / "another"), settings()) is None
    wait_until(lambda: not alive_actor_classes())
    wait_until(lambda: set(states()) == {"REMOVED"})
    wait_until(cleaned_up)  # a process may still write while it is killed


def test_a_lane_trains_even_if_train_is_called_before_it_is_adopted(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    first = prestarted.actors[0].train.remote()  # calls of an async actor can overtake each other
    actor = prestarted.acquire(spec(tmp_path), settings())
    assert json.loads(ray.get(first)["event"])["epoch"] == 1.0
    assert json.loads(ray.get(actor.train.remote())["event"])["epoch"] == 2.0
    ray.get(actor.stop.remote())


def test_a_lane_that_died_before_a_trial_is_skipped(prestarted: PrestartedLanes, tmp_path: Path) -> None:
    ray.kill(prestarted.actors[0])
    wait_until(lambda: not alive_actor_classes())
    assert prestarted.acquire(spec(tmp_path), settings()) is None


def test_a_resumed_search_prestarts_no_lanes(ray_cluster: None, tmp_path: Path) -> None:
    Storage(str(tmp_path)).write(JOB_FILE, b"")
    prestarted_lanes = lanes(tmp_path)
    prestarted_lanes.load()
    prestarted_lanes.start()
    assert not prestarted_lanes.actors


def test_an_error_after_the_lanes_have_started_leaves_nothing_behind(tmp_path: Path) -> None:
    job = write_job(tmp_path)
    printed = run(
        "--config",
        job,
        "--name",
        "late",
        "--storage-path",
        tmp_path / "runs",
        "--model-name-or-path",
        tmp_path / "nowhere",
        code=2,
    )
    assert "nowhere" in printed
    assert set(Storage(str(tmp_path / "runs" / "late")).list()) <= {".lock", "logs"}
    # The name can be used again.
    run_here("--config", job, "--name", "late", "--storage-path", tmp_path / "runs", "--dry-run")
