"""The placement groups of lanes, and their release after lanes, actors or workers have died."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util import placement_group_table

from gluetune.config import TrainingConfig
from gluetune.events import TrialEnded
from gluetune.lanes import Lane, LaneActor, LaneError, LaneSpec, RemoteLane, TrialAssignment
from gluetune.lanes.worker_group import release_all_placement_groups
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.workloads.fine_tuning import FineTuning
from training_setup import task_data, tiny_encoder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

LONG_S = 180.0


def spec(folder: Path, workers: int, cpus: float, storage: Storage | None = None) -> LaneSpec:
    work = FineTuning({"cola": ray.put(task_data(get_task("cola"), train=64))}, ray.put(tiny_encoder(dropout=0.0)))
    return LaneSpec(workers, cpus, 0.0, "PACK", work, storage or Storage(str(folder)), max_failures=1)


def assignment(folder: str) -> TrialAssignment:
    training = TrainingConfig(learning_rate=1e-3, batch_size=16, num_train_epochs=1).model_dump()
    return TrialAssignment(0, "cola", training, seed=7, folder=folder)


def lane_actor(lane: LaneSpec, before: Callable[[], None] = lambda: None) -> ray.actor.ActorHandle:
    """An actor with a lane, like one of Ray Tune; it calls `before` first."""

    class WithLane(LaneActor):  # a local class, which Ray pickles by value
        def __init__(self) -> None:
            before()
            self.lane = Lane(lane)

        async def run(self, assignment: TrialAssignment) -> str:
            self.lane.assign(assignment)
            while not isinstance(event := await self.lane.next_event(), TrialEnded):
                pass
            return event.status

    return ray.remote(num_cpus=0)(WithLane).remote()


def kill_on_joining(rank: int, marker: str) -> Callable[[], None]:
    """Kills the worker of a rank, once, as it joins the process group, while the other one waits for it."""

    def prepare() -> None:
        import ray.train.torch.config as torch_config

        join = torch_config._setup_torch_process_group

        def die_or_join(**arguments: Any) -> None:
            import os
            import signal
            from pathlib import Path

            if arguments["world_rank"] == rank and not Path(marker).exists():
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            join(**arguments)

        torch_config._setup_torch_process_group = die_or_join

    return prepare


def held_groups() -> set[str]:
    """Ids of the placement groups that hold resources."""
    return {group_id for group_id, group in placement_group_table().items() if group["state"] == "CREATED"}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_next_lane_releases_the_placement_group_of_a_killed_one(
    ray_cluster: None, tmp_path: Path, workers: int
) -> None:
    lane = spec(tmp_path, workers, 2.0 / workers)  # all cores of the cluster
    first = lane_actor(lane)
    assert ray.get(first.run.remote(assignment("trials/a")), timeout=LONG_S) == "finished"
    ray.kill(first)
    second = lane_actor(lane)
    assert ray.get(second.run.remote(assignment("trials/b")), timeout=LONG_S) == "finished"
    assert len(held_groups()) == 1
    ray.kill(second)


def test_the_driver_releases_the_placement_group_of_the_last_killed_lane(ray_cluster: None, tmp_path: Path) -> None:
    lane = lane_actor(spec(tmp_path, 1, 2.0))
    assert ray.get(lane.run.remote(assignment("trials/a")), timeout=LONG_S) == "finished"
    ray.kill(lane)
    assert len(held_groups()) == 1
    release_all_placement_groups()
    release_all_placement_groups()  # a second call does no harm
    wait_until_free()


def test_a_lane_that_starts_leaves_the_placement_groups_of_other_lanes_alone(ray_cluster: None, tmp_path: Path) -> None:
    lanes = []
    for number in range(2):
        lanes.append(lane_actor(spec(tmp_path, 1, 1.0)))
        assert ray.get(lanes[-1].run.remote(assignment(f"trials/{number}")), timeout=LONG_S) == "finished"
        if not number:
            first_groups = held_groups()
    assert len(first_groups) == 1
    assert first_groups < held_groups()
    assert ray.get(lanes[0].run.remote(assignment("trials/2")), timeout=LONG_S) == "finished"
    assert first_groups < held_groups()
    for lane in lanes:
        ray.kill(lane)


def test_a_closed_lane_whose_workers_are_slow_to_end_holds_no_resources(ray_cluster: None, tmp_path: Path) -> None:
    class Sleeping:
        def run(self, assignment: TrialAssignment, context: Any, checkpoints: Any, distributed: Any) -> None:
            Path(assignment.folder).touch()
            time.sleep(1000)

    lane, began = RemoteLane(replace(spec(tmp_path, 1, 2.0), workload=Sleeping())), tmp_path / "began"
    lane.assign(assignment(str(began)))
    wait_until(began.exists, "no worker works")
    lane.close()
    wait_until_free()
    time.sleep(5)
    assert not held_groups()  # and Ray Train starts no workers anew


def test_a_lane_whose_actor_died_raises_and_holds_no_resources(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reporting:
        def run(self, assignment: TrialAssignment, context: Any, checkpoints: Any, distributed: Any) -> None:
            import os

            Path(assignment.folder).write_text(os.environ.get("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "not set"))
            time.sleep(1000)

    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "3")
    lane, environment = RemoteLane(replace(spec(tmp_path, 1, 2.0), workload=Reporting())), tmp_path / "environment"
    lane.assign(assignment(str(environment)))
    wait_until(lambda: environment.exists() and environment.read_text(), "no worker works")
    assert environment.read_text() == "3"  # Ray Train's settings reach the workers
    ray.kill(lane._actor)
    with pytest.raises(LaneError, match="its actor died"):
        lane.next_event()
    with pytest.raises(LaneError, match="its actor died"):
        lane.assign(assignment(str(environment)))
    lane.close()
    wait_until_free()


def wait_until_free() -> None:
    wait_until(lambda: not held_groups(), "a placement group still holds resources", 20)


def wait_until(condition: Callable[[], object], message: str, seconds: float = LONG_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.1)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_dies_as_it_joins_the_process_group_leaves_no_placement_group(
    ray_cluster: None, tmp_path: Path, rank: int
) -> None:
    died = tmp_path / "died"
    lane = lane_actor(spec(tmp_path, 2, 1.0), kill_on_joining(rank, str(died)))
    try:
        assert ray.get(lane.run.remote(assignment("trials/c")), timeout=LONG_S) == "finished"
        assert died.exists()
        assert len(held_groups()) == 1
    finally:
        ray.kill(lane)


def test_a_lane_whose_workers_cannot_start_raises_and_holds_no_resources(ray_cluster: None, tmp_path: Path) -> None:
    class Nowhere(Storage):
        def exists(self, path: str = "") -> bool:
            return False

    lane = RemoteLane(spec(tmp_path, 1, 2.0, Nowhere(str(tmp_path))))
    with pytest.raises(Exception, match="must be a folder or bucket that every node reaches"):
        lane.next_event()
    lane.close()
    assert not held_groups()
