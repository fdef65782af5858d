"""A lane survives whatever happens to its trials and workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
import torch
from ray._private.state import actors

from gluetune.config import TrainingConfig
from gluetune.events import Evaluated, LaneEvent, TrialEnded
from gluetune.internals.guard import internals_off
from gluetune.lanes import LaneError, LanePool, LaneSpec, Lease, TrialAssignment, TrialContext
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.training import Checkpoints, DistributedContext
from gluetune.workloads.fine_tuning import FineTuning
from training_setup import task_data, tiny_encoder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

EPOCHS = 3


class Lane:
    """A pool of one lane, and the lease of its last assignment."""

    def __init__(self, workers: int, work: FineTuning, storage: Storage) -> None:
        self.pool = LanePool()
        self.pool.start(LaneSpec(workers, 1.0, 0.0, "PACK", storage, max_failures=1), 1)
        self.pool.set_workload(work)
        self._lease: Lease | None = None

    def assign(self, assignment: TrialAssignment) -> None:
        """Give the lane an assignment in place of its last one."""
        if self._lease is not None:
            self.pool.release(self._lease)
        self._lease = self.pool.lease(assignment)

    def next_event(self) -> LaneEvent:
        assert self._lease is not None
        event = self._lease.next_event()
        assert event is not None
        return event


class Lanes:
    """The one lane that is open: the two CPUs of the tests' cluster hold no second one.

    Tests run in any order: each calls for the kind of lane that it needs, and gets the open one if it is of that kind.
    While the file `memory` exists, rank 1 has little memory.
    """

    def __init__(self, work: FineTuning, storage: Storage, memory: Path) -> None:
        self.work, self.storage, self.memory = work, storage, memory
        self._open: tuple[int, Lane] | None = None

    def get(self, workers: int) -> Lane:
        """The open lane if it has this number of workers, else a new one."""
        if self._open is None or self._open[0] != workers:
            self.close()
            self._open = (workers, Lane(workers, self.work, self.storage))
        return self._open[1]

    def close(self) -> None:
        if self._open is not None:
            self._open[1].pool.shutdown()
        self._open = None


def short_of_memory(file: str) -> type[FineTuning]:
    """Simulate what this machine lacks: while the file exists, the second worker's GPU has memory for four rows."""

    class ShortOfMemory(FineTuning):  # a local class, which Ray pickles by value
        def run(
            self,
            assignment: TrialAssignment,
            context: TrialContext,
            checkpoints: Checkpoints,
            distributed: DistributedContext,
        ) -> None:
            from pathlib import Path

            from gluetune.training import trainer

            model_inputs = trainer.model_inputs

            def short(model: Any, encoded: Any, rows: np.ndarray, distributed: DistributedContext) -> dict[str, Any]:
                if distributed.rank == 1 and len(rows) > 4 and Path(file).exists():
                    Path(file).write_text("used up")
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
                return model_inputs(model, encoded, rows, distributed)

            trainer.model_inputs = short
            try:
                super().run(assignment, context, checkpoints, distributed)
            finally:
                trainer.model_inputs = model_inputs

    return ShortOfMemory


@pytest.fixture(scope="module")
def lanes(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    storage, memory = Storage(str(tmp_path_factory.mktemp("search"))), tmp_path_factory.mktemp("memory") / "short"
    data, encoder = task_data(get_task("cola"), train=400), tiny_encoder(dropout=0.1)
    lanes = Lanes(short_of_memory(str(memory))({"": {"cola": ray.put(data)}}, {"": ray.put(encoder)}), storage, memory)
    yield lanes
    lanes.close()


@pytest.fixture
def lane(lanes: Lanes) -> Lane:
    return lanes.get(1)


def assignment(number: int, task: str = "cola", **training: Any) -> TrialAssignment:
    chosen: dict[str, Any] = {"learning_rate": 3e-3, "batch_size": 16, "num_train_epochs": EPOCHS} | training
    return TrialAssignment(
        number, task, TrainingConfig(**chosen).model_dump(), seed=7, folder=f"trials/{task}-{number:04d}"
    )


def run_to_end(lane: Lane) -> tuple[list[Evaluated], TrialEnded]:
    evaluations: list[Evaluated] = []
    while True:
        report = lane.next_event()
        if isinstance(report, TrialEnded):
            return evaluations, report
        evaluations.append(report)  # type: ignore[arg-type]


def drain(lease: Lease) -> None:
    """Read a lease's events until there are no more."""
    while lease.next_event() is not None:
        pass


def numbers(evaluations: list[Evaluated]) -> list[tuple[object, ...]]:
    return [(e.index, e.step, e.epoch, e.score, e.eval_loss, e.train_loss, e.metrics) for e in evaluations]


@pytest.fixture(scope="module")
def undisturbed(lanes: Lanes) -> list[tuple[object, ...]]:
    lane = lanes.get(1)
    lane.assign(assignment(0))
    evaluations, end = run_to_end(lane)
    assert end.status == "finished"
    return numbers(evaluations)


@pytest.mark.internals
def test_a_trial_reports_every_evaluation_and_its_end(undisturbed: list[tuple[object, ...]]) -> None:
    assert [(index, epoch) for index, _, epoch, *_ in undisturbed] == [(1, 1.0), (2, 2.0), (3, 3.0)]


@pytest.mark.skipif(internals_off(), reason="Ray Train's own controller has helper processes")
def test_a_lane_has_no_other_processes_than_its_actor_and_workers(lane: Lane) -> None:
    lane.assign(assignment(18))
    run_to_end(lane)  # a lane that has just been made has no processes yet
    there = {actor["ActorClassName"] for actor in actors(actor_state_name="ALIVE").values()}
    assert "RayTrainWorker" in there
    assert not there & {"SynchronizationActor", "TrainController", "PlacementGroupCleaner", "DatasetManager"}


def test_the_same_trial_gives_the_same_numbers_on_a_used_lane(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(assignment(15))
    assert numbers(run_to_end(lane)[0]) == undisturbed
    lane.assign(assignment(1))
    evaluations, _ = run_to_end(lane)
    assert numbers(evaluations) == undisturbed
    assert evaluations[0].idle_seconds_before is not None
    assert evaluations[0].idle_seconds_before > 0


def test_a_diverging_trial_is_a_result(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(assignment(2, learning_rate=1e30, max_grad_norm=0.0))
    _, end = run_to_end(lane)
    assert end.status == "diverged"
    assert end.message
    lane.assign(assignment(3))
    assert numbers(run_to_end(lane)[0]) == undisturbed


def test_an_exception_in_a_trial_is_a_result_with_its_traceback(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(assignment(4, task="mrpc"))  # this lane has no MRPC rows
    _, end = run_to_end(lane)
    assert end.status == "failed"
    assert "KeyError" in end.message
    lane.assign(assignment(5))
    assert numbers(run_to_end(lane)[0]) == undisturbed


def test_a_pruned_trial_ends_at_once_and_its_checkpoints_stay(
    lane: Lane, lanes: Lanes, undisturbed: list[object]
) -> None:
    long = assignment(6, num_train_epochs=300)
    lane.assign(long)
    first = lane.next_event()
    assert isinstance(first, Evaluated)
    wait_until_idle(worker_pids()[0])  # the lane trains on, but reports and saves nothing before its next assignment
    lane.assign(assignment(7))
    evaluations, end = run_to_end(lane)
    assert end.number == 7
    assert numbers(evaluations) == undisturbed
    state = Checkpoints(lanes.storage, long.folder).load()
    assert state is not None
    assert state["step"] == first.step


@pytest.mark.internals
def test_a_killed_worker_is_restarted_and_the_trial_continues_from_its_checkpoint(
    lane: Lane, undisturbed: list[object]
) -> None:
    lane.assign(assignment(8))
    first = lane.next_event()
    pids = worker_pids()
    os.kill(pids[0], signal.SIGKILL)
    evaluations, end = run_to_end(lane)
    assert end.status == "finished"
    assert numbers([first, *evaluations]) == undisturbed  # type: ignore[list-item]
    assert worker_pids() != pids


def test_a_cancelled_lane_is_free_and_a_killed_one_is_replaced(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(assignment(19, num_train_epochs=300))
    lane.next_event()
    before = worker_pids()
    lane.assign(assignment(20))
    assert numbers(run_to_end(lane)[0]) == undisturbed
    assert worker_pids() == before, "the cancelled assignment's lane was not used again"
    lease = lane.pool.lease(assignment(21, num_train_epochs=300))
    assert lease.next_event() is not None
    ray.kill(lease.actor)
    with pytest.raises(LaneError, match="its actor died"):
        drain(lease)
    assert "its actor died" in (lane.pool.death_reason(lease) or "")
    lane.pool.release(lease)
    lane.assign(assignment(22))
    assert numbers(run_to_end(lane)[0]) == undisturbed
    assert len(lane.pool) == 1


NO_DROPOUT: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture(scope="module")
def alone(lanes: Lanes) -> list[Evaluated]:
    """A trial without dropout on one worker."""
    lane = lanes.get(1)
    lane.assign(assignment(9, **NO_DROPOUT))
    return run_to_end(lane)[0]


@pytest.fixture
def pair(lanes: Lanes, alone: list[Evaluated]) -> Lane:
    return lanes.get(2)


def assert_alike(some: list[Evaluated], others: list[Evaluated]) -> None:
    assert [e.step for e in some] == [e.step for e in others]
    for one, other in zip(some, others, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-4)
        assert one.eval_loss == pytest.approx(other.eval_loss, abs=1e-4)


def test_two_workers_with_half_the_rows_each_equal_one_worker(pair: Lane, alone: list[Evaluated]) -> None:
    pair.assign(assignment(10, **NO_DROPOUT))
    together, end = run_to_end(pair)
    assert end.status == "finished"
    assert_alike(together, alone)


@pytest.mark.internals
@pytest.mark.timeout(300)
def test_both_workers_run_the_workload_of_an_assignment(pair: Lane, lanes: Lanes, alone: list[Evaluated]) -> None:
    """As those of a winner do: its workload is a reference to an object of the driver."""
    work = ray.put(FineTuning(lanes.work.data, lanes.work.encoders))
    pair.assign(replace(assignment(23, **NO_DROPOUT), workload=work))
    evaluations, end = run_to_end(pair)
    assert end.status == "finished", end.message
    assert_alike(evaluations, alone)


def test_one_of_two_workers_is_killed_and_the_trial_continues(pair: Lane, alone: list[Evaluated]) -> None:
    pair.assign(assignment(11, **NO_DROPOUT))
    first = pair.next_event()
    assert isinstance(first, Evaluated)
    os.kill(worker_pids()[-1], signal.SIGKILL)
    rest, end = run_to_end(pair)
    assert end.status == "finished", end.message
    assert_alike([first, *rest], alone)


def test_a_diverging_trial_leaves_both_workers_alive(pair: Lane, alone: list[Evaluated]) -> None:
    pair.assign(assignment(16, **NO_DROPOUT))
    run_to_end(pair)
    before = worker_pids()
    pair.assign(assignment(12, learning_rate=1e30, max_grad_norm=0.0))
    assert run_to_end(pair)[1].status == "diverged"
    pair.assign(assignment(13, **NO_DROPOUT))
    assert_alike(run_to_end(pair)[0], alone)
    assert worker_pids() == before


def test_if_one_of_two_workers_is_out_of_memory_both_continue_with_smaller_batches(
    pair: Lane, lanes: Lanes, alone: list[Evaluated]
) -> None:
    lanes.memory.touch()
    pair.assign(assignment(14, **NO_DROPOUT))
    evaluations, end = run_to_end(pair)
    used = lanes.memory.read_text()
    lanes.memory.unlink()
    assert used
    assert end.status == "finished", end.message
    assert_alike(evaluations, alone)


def wait_until_idle(pid: int) -> None:
    """Wait until a process computes nothing."""
    process = psutil.Process(pid)
    deadline = time.monotonic() + 300
    before = process.cpu_times().user
    while time.monotonic() < deadline:
        time.sleep(0.3)
        after = process.cpu_times().user
        if after - before < 0.05:
            return
        before = after
    raise AssertionError("the worker does not wait")


def worker_pids() -> list[int]:
    """Processes of this cluster's Ray Train workers."""
    return sorted(
        process.pid
        for process in psutil.Process().children(recursive=True)
        if any("RayTrainWorker" in part for part in command_line(process))
    )


def command_line(process: psutil.Process) -> list[str]:
    """A process's arguments; none of one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
