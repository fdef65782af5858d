"""The placement groups of lanes on the cluster: created once, released whatever ends the lane."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.state import actors
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


def actor_with_lane(lane: LaneSpec, before: Callable[[], None] = lambda: None) -> ray.actor.ActorHandle:  # type: ignore[type-arg]
    """An actor with a lane, as Ray Tune's trials are; it calls `before` first."""

    class WithLane(LaneActor):  # a local class, which Ray pickles by value
        def __init__(self) -> None:
            before()
            self.lane = Lane(lane)

        async def run(self, assignment: TrialAssignment) -> str:
            self.lane.assign(assignment)
            while not isinstance(event := await self.lane.next_event(), TrialEnded):
                pass
            return event.status

    return ray.remote(num_cpus=0)(WithLane).remote()  # type: ignore[return-value]


def dies_as_it_joins(rank: int, marker: str) -> Callable[[], None]:
    """Have the worker of that rank die, once, as it joins the process group, while the other one waits for it."""

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

        torch_config._setup_torch_process_group = die_or_join  # type: ignore[assignment]

    return prepare


def created_groups() -> set[str]:
    """Ids of the placement groups that hold resources."""
    return {group_id for group_id, group in placement_group_table().items() if group["state"] == "CREATED"}


def living_actors() -> set[str]:
    return {number for number, actor in actors().items() if actor["State"] != "DEAD"}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_group_of_a_killed_lane_is_released_by_the_next_one_or_by_the_driver(
    ray_cluster: None, tmp_path: Path, workers: int
) -> None:
    lane = spec(tmp_path, workers, 2.0 / workers)  # all CPUs that there are
    first = actor_with_lane(lane)
    assert ray.get(first.run.remote(assignment("trials/a")), timeout=LONG_S) == "finished"
    ray.kill(first)
    second = actor_with_lane(lane)
    assert ray.get(second.run.remote(assignment("trials/b")), timeout=LONG_S) == "finished"
    assert len(created_groups()) == 1
    ray.kill(second)
    assert len(created_groups()) == 1
    release_all_placement_groups()
    release_all_placement_groups()  # what is gone already does no harm
    wait_until_released()


def test_a_lane_that_starts_leaves_living_ones_their_groups(ray_cluster: None, tmp_path: Path) -> None:
    lanes = []
    for number in range(2):
        lanes.append(actor_with_lane(spec(tmp_path, 1, 1.0)))
        assert ray.get(lanes[-1].run.remote(assignment(f"trials/{number}")), timeout=LONG_S) == "finished"
        if not number:
            groups_of_first = created_groups()
    assert len(groups_of_first) == 1
    assert groups_of_first < created_groups()
    assert ray.get(lanes[0].run.remote(assignment("trials/2")), timeout=LONG_S) == "finished"
    assert groups_of_first < created_groups()
    for lane in lanes:
        ray.kill(lane)


def blocking() -> Any:
    """A workload that writes a setting of Ray Train to the assignment's folder, and does not end."""

    class Blocking:  # inside: Ray then sends the class itself
        def run(self, assignment: TrialAssignment, context: Any, checkpoints: Any, distributed: Any) -> None:
            import os
            import threading

            Path(assignment.folder).write_text(os.environ.get("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "not set"))
            threading.Event().wait()

    return Blocking()


def start_blocking(folder: Path) -> tuple[RemoteLane, Path]:
    """A lane whose worker blocks, and the file that it wrote."""
    lane, written = RemoteLane(replace(spec(folder, 1, 2.0), workload=blocking())), folder / "written"
    lane.assign(assignment(str(written)))
    wait_until(lambda: written.exists() and written.read_text(), "no worker works")
    return lane, written


def test_a_closed_lane_whose_workers_do_not_end_keeps_no_group(ray_cluster: None, tmp_path: Path) -> None:
    lane, _ = start_blocking(tmp_path)
    lane.close()
    wait_until_released()
    wait_until(lambda: not living_actors(), "an actor is left that could start workers anew")
    assert not created_groups()


def test_a_lane_whose_actor_dies_raises_and_keeps_no_group(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "3")
    lane, written = start_blocking(tmp_path)
    assert written.read_text() == "3"  # Ray Train's settings reach the workers
    ray.kill(lane._actor)
    with pytest.raises(LaneError, match="its actor died"):
        lane.next_event()
    with pytest.raises(LaneError, match="its actor died"):
        lane.assign(assignment(str(written)))
    lane.close()
    wait_until_released()


def wait_until_released() -> None:
    wait_until(lambda: not created_groups(), "a placement group is left")


def wait_until(condition: Callable[[], object], otherwise: str) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_worker_that_dies_as_it_joins_the_process_group_leaves_no_group(
    ray_cluster: None, tmp_path: Path, rank: int
) -> None:
    died = tmp_path / "died"
    lane = actor_with_lane(spec(tmp_path, 2, 1.0), dies_as_it_joins(rank, str(died)))
    try:
        assert ray.get(lane.run.remote(assignment("trials/c")), timeout=LONG_S) == "finished"
        assert died.exists()
        assert len(created_groups()) == 1
    finally:
        ray.kill(lane)


def test_a_lane_whose_workers_cannot_start_gives_up_and_keeps_no_group(ray_cluster: None, tmp_path: Path) -> None:
    class Nowhere(Storage):
        def exists(self, path: str = "") -> bool:
            return False

    lane = RemoteLane(spec(tmp_path, 1, 2.0, Nowhere(str(tmp_path))))
    with pytest.raises(Exception, match="must be a folder or bucket that every node reaches"):
        lane.next_event()
    lane.close()
    assert not created_groups()
