"""The placement groups of lanes on the cluster: created once, released whatever ends the lane."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.state import actors
from ray.util import placement_group_table

from gluetune.config import TrainingConfig
from gluetune.events import TrialEnded
from gluetune.internals.guard import internals_off
from gluetune.lanes import LaneError, LanePool, LaneSpec, TrialAssignment
from gluetune.lanes.lane import LaneActor
from gluetune.lanes.placement_groups import release_all_placement_groups
from gluetune.lanes.pool import next_event
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.workloads.fine_tuning import FineTuning
from training_setup import task_data, tiny_encoder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

LONG_S = 180.0


def workload() -> FineTuning:
    data, encoder = task_data(get_task("cola"), train=64), tiny_encoder(dropout=0.0)
    return FineTuning({"": {"cola": ray.put(data)}}, {"": ray.put(encoder)})


def spec(folder: Path, workers: int, cpus: float, storage: Storage | None = None) -> LaneSpec:
    return LaneSpec(workers, cpus, 0.0, "PACK", storage or Storage(str(folder)), max_failures=1)


def assignment(folder: str) -> TrialAssignment:
    training = TrainingConfig(learning_rate=1e-3, batch_size=16, num_train_epochs=1).model_dump()
    return TrialAssignment(0, "cola", training, seed=7, folder=folder)


@pytest.fixture
def pool(ray_cluster: None) -> Iterator[LanePool]:
    """A pool whose lanes end with the test."""
    pool = LanePool()
    yield pool
    pool.shutdown()


def run(pool: LanePool, folder: str) -> str:
    """Run an assignment on a free or a new lane; return its status."""
    lease = pool.lease(assignment(folder))
    while not isinstance(event := lease.next_event(), TrialEnded):
        assert event is not None
    pool.release(lease)
    return event.status


def workers_die_as_they_join(folder: str) -> Callable[[], None]:
    """Have rank 0 die as it joins the first process group, then rank 1 as it joins the next, while the other waits.

    A group is known by its port. The files `0` and `1` in the folder show which worker has died.
    """

    def prepare() -> None:
        import ray.train.torch.config as torch_config

        join = torch_config._setup_torch_process_group

        def die_or_join(**arguments: Any) -> None:
            import os
            import signal
            from pathlib import Path

            first, second, group = Path(folder, "0"), Path(folder, "1"), os.environ["MASTER_PORT"]
            if arguments["world_rank"] == 0 and not first.exists():
                first.write_text(group)
                os.kill(os.getpid(), signal.SIGKILL)
            later = first.exists() and first.read_text() not in ("", group)
            if arguments["world_rank"] == 1 and later and not second.exists():
                second.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            join(**arguments)

        torch_config._setup_torch_process_group = die_or_join  # type: ignore[assignment]

    return prepare


def created_groups() -> set[str]:
    """Ids of the placement groups that hold resources."""
    return {group_id for group_id, group in placement_group_table().items() if group["state"] == "CREATED"}


def living_actors() -> set[str]:
    """Ids of the actors that live, without the one that Ray Train's own controllers of all lanes share."""
    living = {number: actor for number, actor in actors().items() if actor["State"] != "DEAD"}
    return {number for number, actor in living.items() if actor["ActorClassName"] != "_AutoscalingCoordinatorActor"}


@pytest.mark.internals
def test_the_group_of_a_killed_lane_is_released_for_the_lane_that_replaces_it(pool: LanePool, tmp_path: Path) -> None:
    pool.configure(spec(tmp_path, 1, 2.0), 1)  # all CPUs that there are
    pool.set_workload(workload())
    lease = pool.lease(assignment("trials/a"))
    assert lease.next_event() is not None
    ray.kill(lease.actor)
    with pytest.raises(LaneError, match="its actor died"):
        list(iter(lease.next_event, None))  # the events that the lane had reported before come first
    pool.release(lease)
    assert run(pool, "trials/b") == "finished"
    assert len(created_groups()) == 1
    pool.shutdown()
    release_all_placement_groups()  # what is gone already does no harm
    wait_until_released()


def test_lanes_at_the_same_time_keep_their_groups_and_a_free_one_is_leased_again(
    pool: LanePool, tmp_path: Path
) -> None:
    pool.configure(spec(tmp_path, 1, 1.0), 2)
    pool.set_workload(workload())
    leases = [pool.lease(assignment(f"trials/{number}")) for number in range(2)]
    assert len({lease.lane for lease in leases}) == 2
    for lease in leases:
        while not isinstance(event := lease.next_event(), TrialEnded):
            assert event is not None
    groups = created_groups()
    assert len(groups) == 2
    pool.release(leases[1])
    again = pool.lease(assignment("trials/2"))
    assert again.lane == leases[1].lane
    assert again.next_event() is not None
    assert created_groups() == groups


def blocking() -> Any:
    """A workload that writes a setting of Ray Train to the assignment's folder, and does not end."""

    class Blocking:  # inside: Ray then sends the class itself
        def run(self, assignment: TrialAssignment, context: Any, checkpoints: Any, distributed: Any) -> None:
            import os
            import threading

            Path(assignment.folder).write_text(os.environ.get("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "not set"))
            threading.Event().wait()

    return Blocking()


def test_a_closed_lane_whose_workers_do_not_end_keeps_no_group(
    pool: LanePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers also have Ray Train's settings from the driver's environment."""
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "3")
    written = tmp_path / "written"
    pool.configure(spec(tmp_path, 1, 2.0), 1)
    pool.set_workload(blocking())
    lease = pool.lease(assignment(str(written)))
    wait_until(lambda: written.exists() and written.read_text(), "no worker works")
    assert written.read_text() == "3"
    pool.shutdown(timeout_s=0.5)
    wait_until_released()
    wait_until(lambda: not living_actors(), "an actor is left that could start workers anew")
    assert not created_groups()
    with pytest.raises(LaneError, match="its actor died"):
        lease.next_event()


def wait_until_released() -> None:
    wait_until(lambda: not created_groups(), "a placement group is left")


def wait_until(condition: Callable[[], object], otherwise: str) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def test_lanes_that_are_ended_while_they_start_keep_no_group(pool: LanePool, tmp_path: Path) -> None:
    pool.configure(spec(tmp_path, 1, 2.0), 1)  # all CPUs that there are
    pool.set_workload(workload())
    for _ in range(2):
        pool.lease(assignment("trials/e"))
        wait_until(lambda: placement_group_table() or living_actors(), "no lane starts")
        pool.shutdown()
    assert run(pool, "trials/e") == "finished"


@pytest.mark.skipif(internals_off(), reason="Ray Train's own controller keeps the placement group")
def test_workers_that_die_as_they_join_the_process_group_leave_no_group(ray_cluster: None, tmp_path: Path) -> None:
    died = tmp_path / "died"
    died.mkdir()
    prepare = workers_die_as_they_join(str(died))

    class Disturbed(LaneActor):  # a local class, which Ray pickles by value
        def __init__(self, *arguments: Any) -> None:
            prepare()
            super().__init__(*arguments)

    lane: Any = ray.remote(num_cpus=0)(Disturbed).remote(spec(tmp_path, 2, 1.0), "disturbed", workload())
    try:
        lane.assign.remote(replace(assignment("trials/c"), assignment_id=1))
        while not isinstance(event := next_event(lane, 1), TrialEnded):
            assert event is not None
        assert event.status == "finished"
        assert sorted(file.name for file in died.iterdir()) == ["0", "1"]
        assert len(created_groups()) == 1
    finally:
        ray.kill(lane)
        wait_until(lambda: release_all_placement_groups() or not created_groups(), "a placement group is left")


def test_a_lane_whose_workers_cannot_start_gives_up_and_keeps_no_group(pool: LanePool, tmp_path: Path) -> None:
    class Nowhere(Storage):  # a local class, which Ray pickles by value
        def __setstate__(self, state: dict[str, Any]) -> None:
            from gluetune.lanes import mailbox

            mailbox.MAX_START_ATTEMPTS = 1  # in the lane's actor: each attempt takes seconds
            super().__setstate__(state)

        def exists(self, path: str = "") -> bool:
            return False

    pool.configure(spec(tmp_path, 1, 2.0, Nowhere(str(tmp_path))), 1)
    pool.set_workload(workload())
    lease = pool.lease(assignment("trials/d"))
    reason = "must be a folder or bucket that every node reaches"
    with pytest.raises(LaneError, match=reason):
        lease.next_event()
    assert reason in (pool.death_reason(lease) or "")
    wait_until_released()
