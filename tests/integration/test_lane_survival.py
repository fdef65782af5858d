"""A lane outlives everything its trials do."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import ray

from gluetune.config import TrainingConfig
from gluetune.lane import Lane, LaneSpec, Order
from gluetune.records import Evaluated, TrialEnded
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.training import Checkpoints
from training_setup import task_data, tiny_encoder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

EPOCHS = 3


@pytest.fixture(scope="module")
def make_lane(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Lane]]:
    storage = Storage(str(tmp_path_factory.mktemp("search")))
    data, encoder = {"cola": ray.put(task_data(get_task("cola"), train=400))}, ray.put(tiny_encoder(dropout=0.1))
    lanes = []

    def make(workers: int = 1) -> Lane:
        spec = LaneSpec(workers, 1.0, 0.0, "PACK", data, encoder, storage, max_failures=1)
        lanes.append(Lane(spec, f"lane-{len(lanes)}-{os.getpid()}"))
        return lanes[-1]

    make.storage = storage  # type: ignore[attr-defined]
    yield make
    for lane in lanes:
        lane.close()


@pytest.fixture(scope="module")
def lane(make_lane: Callable[..., Lane]) -> Lane:
    return make_lane()


def order(number: int, task: str = "cola", **training: object) -> Order:
    chosen = {"learning_rate": 3e-3, "batch_size": 16, "num_train_epochs": EPOCHS} | training
    return Order(number, task, TrainingConfig(**chosen).model_dump(), seed=7, folder=f"trials/{task}-{number:04d}")


def collect(lane: Lane) -> tuple[list[Evaluated], TrialEnded]:
    evaluations: list[Evaluated] = []
    while True:
        report = lane.collect()
        if isinstance(report, TrialEnded):
            return evaluations, report
        evaluations.append(report)


def numbers(evaluations: list[Evaluated]) -> list[tuple[object, ...]]:
    return [(e.index, e.step, e.epoch, e.score, e.eval_loss, e.train_loss, e.metrics) for e in evaluations]


@pytest.fixture(scope="module")
def undisturbed(lane: Lane) -> list[tuple[object, ...]]:
    lane.assign(order(0))
    evaluations, end = collect(lane)
    assert end.status == "finished"
    return numbers(evaluations)


def test_a_trial_reports_every_evaluation_and_its_end(undisturbed: list[tuple[object, ...]]) -> None:
    assert [(index, epoch) for index, _, epoch, *_ in undisturbed] == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_the_same_trial_gives_the_same_numbers_on_a_used_lane(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(order(1))
    evaluations, _ = collect(lane)
    assert numbers(evaluations) == undisturbed
    assert evaluations[0].started_gap is not None
    assert evaluations[0].started_gap > 0


def test_a_diverging_trial_is_a_result(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(order(2, learning_rate=1e30, max_grad_norm=0.0))
    _, end = collect(lane)
    assert end.status == "diverged"
    assert end.message
    lane.assign(order(3))
    assert numbers(collect(lane)[0]) == undisturbed


def test_an_exception_in_a_trial_is_a_result_with_its_traceback(lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(order(4, task="mrpc"))  # this lane has no MRPC rows
    _, end = collect(lane)
    assert end.status == "failed"
    assert "KeyError" in end.message
    lane.assign(order(5))
    assert numbers(collect(lane)[0]) == undisturbed


def test_a_pruned_trial_gives_way_at_once_and_its_checkpoints_stay(
        lane: Lane, make_lane: Callable[..., Lane], undisturbed: list[object]) -> None:
    long = order(6, num_train_epochs=300)
    lane.assign(long)
    first = lane.collect()
    assert isinstance(first, Evaluated)
    time.sleep(1.0)  # the lane trains on, but must not report or save more before it is told to
    lane.assign(order(7))
    evaluations, end = collect(lane)
    assert end.number == 7
    assert numbers(evaluations) == undisturbed
    state = Checkpoints(make_lane.storage, long.folder).load()  # type: ignore[attr-defined]
    assert state is not None
    assert state["step"] == first.step


def test_a_killed_worker_is_restarted_and_the_trial_goes_on_from_its_checkpoint(
        lane: Lane, undisturbed: list[object]) -> None:
    lane.assign(order(8))
    first = lane.collect()
    pid = worker_pid()
    threading.Timer(0.0, os.kill, (pid, signal.SIGKILL)).start()
    evaluations, end = collect(lane)
    assert end.status == "finished"
    assert numbers([first, *evaluations]) == undisturbed  # type: ignore[list-item]
    assert worker_pid() != pid


def test_two_workers_with_half_the_rows_each_equal_one_worker(
        lane: Lane, make_lane: Callable[..., Lane]) -> None:
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_train_epochs": 1}
    lane.assign(order(9, **quiet))
    (alone,), _ = collect(lane)
    lane.close()
    pair = make_lane(workers=2)
    pair.assign(order(10, **quiet))
    (together,), end = collect(pair)
    assert end.status == "finished"
    assert together.train_loss == pytest.approx(alone.train_loss, abs=1e-4)
    assert together.eval_loss == pytest.approx(alone.eval_loss, abs=1e-4)
    assert together.step == alone.step


def worker_pid() -> int:
    """The process of the lane's Ray Train worker."""
    found = [p.pid for p in psutil.process_iter(["name", "cmdline", "username"])
             if any("RayTrainWorker" in part for part in p.info["cmdline"] or ())
             and p.uids().real == Path("/proc/self").stat().st_uid]
    assert len(found) == 1, found
    return found[0]
