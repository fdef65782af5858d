"""Lanes that start before their search is loaded: taken by Tune, or gone without a trace."""

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
from searches import run, write_job
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


def work() -> FineTuning:
    return FineTuning({"cola": ray.put(task_data(get_task("cola"), train=64))}, ray.put(tiny_encoder(dropout=0.0)))


def lanes(folder: Path) -> PrestartedLanes:
    return PrestartedLanes(JOB, load_space(JOB.search.space, None), Storage(str(folder)))


def spec(folder: Path) -> LaneSpec:
    return lane_spec(JOB, resolve_worker_resources(JOB.lanes), Storage(str(folder)), work())


def living() -> set[str]:
    return {actor["ActorClassName"] for actor in actors(actor_state_name="ALIVE").values()}


def states() -> list[str]:
    return [group["state"] for group in placement_group_table().values()]


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def prestarted(ray_cluster: None, tmp_path: Path) -> Iterator[PrestartedLanes]:
    """Early lanes whose workers are there; nothing is left of them in the end."""
    found = lanes(tmp_path)
    found.load()
    found.start()
    started = list(found.actors)
    wait_until(lambda: "RayTrainWorker" in living())
    yield found
    for actor in started:
        ray.kill(actor)
    release_all_placement_groups()
    wait_until(lambda: not living())


def test_one_core_is_left_to_the_driver_and_lanes_of_another_kind_give_way(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    def cleared() -> bool:
        prestarted.cleanup()
        return Storage(str(tmp_path)).list() == []

    assert states().count("CREATED") == 1
    assert prestarted.acquire(spec(tmp_path / "another"), settings()) is None
    wait_until(lambda: not living())
    wait_until(lambda: set(states()) == {"REMOVED"})
    wait_until(cleared)  # a process that is killed may still write


def test_a_lane_trains_even_where_it_is_asked_to_before_it_hears_of_its_trial(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    first = prestarted.actors[0].train.remote()  # as calls of an async actor may overtake each other
    actor = prestarted.acquire(spec(tmp_path), settings())
    assert json.loads(ray.get(first)["event"])["epoch"] == 1.0
    assert json.loads(ray.get(actor.train.remote())["event"])["epoch"] == 2.0
    ray.get(actor.stop.remote())


def test_a_lane_that_died_while_the_search_was_loaded_costs_no_trial_anything(
    prestarted: PrestartedLanes, tmp_path: Path
) -> None:
    ray.kill(prestarted.actors[0])
    wait_until(lambda: not living())
    assert prestarted.acquire(spec(tmp_path), settings()) is None


def test_a_search_that_is_resumed_starts_none_early(ray_cluster: None, tmp_path: Path) -> None:
    Storage(str(tmp_path)).write(JOB_FILE, b"")
    found = lanes(tmp_path)
    found.load()
    found.start()
    assert not found.actors


def test_a_mistake_that_is_found_late_leaves_nothing_behind(tmp_path: Path) -> None:
    job = write_job(tmp_path)
    said = run(
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
    assert "nowhere" in said
    assert set(Storage(str(tmp_path / "runs" / "late")).list()) <= {".lock", "logs"}
    run("--config", job, "--name", "late", "--storage-path", tmp_path / "runs", "--dry-run")  # the name is free
