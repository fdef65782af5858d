"""Checkpoints beside the training: what is told is saved, and steps do not wait for it."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from threading import Event

import pytest
import torch

from gluetune.errors import DivergedError, StorageError
from gluetune.storage import Storage
from gluetune.training import Checkpoints, DistributedContext
from gluetune.training.checkpoints import REPORT_DELAY_STEPS, AsyncCheckpointer, noop, to_cpu

LATER = 10**6


class Told(list[str]):
    """Hears evaluations, and wants no more after some."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self._most = most

    def __call__(self, evaluation: str) -> bool:
        self.append(evaluation)
        return len(self) < self._most


def test_steps_go_on_while_a_checkpoint_is_written_and_its_evaluation_waits_for_it() -> None:
    told, written = Told(), Event()
    with AsyncCheckpointer(told, DistributedContext()) as checkpointer:
        checkpointer.submit("first", LATER, lambda: written.wait(10) and None, 10)
        assert all(checkpointer.poll(step) for step in range(10, 200))
        assert told == []
        written.set()
        assert checkpointer.flush()
        assert told == ["first"]
        assert checkpointer.flush()
    assert told == ["first"]


def test_the_next_step_hears_that_the_run_is_not_wanted_any_more() -> None:
    told = Told(most=1)
    with AsyncCheckpointer(told, DistributedContext()) as checkpointer:
        checkpointer.submit("first", LATER, noop, 10)
        assert next(step for step in count(10) if not checkpointer.poll(step)) >= 10
        assert checkpointer.poll(11)  # it was told, and that only once
    assert told == ["first"]


@pytest.mark.parametrize("size", [1, 2])
def test_a_slow_storage_is_waited_for_in_the_end_and_the_wait_is_known(size: int) -> None:
    told = Told()
    with AsyncCheckpointer(told, DistributedContext(0, size)) as checkpointer:
        checkpointer.submit("first", 14, lambda: time.sleep(0.2), 10)
        assert checkpointer.poll(13)
        assert told == []
        assert checkpointer.poll(14)
        assert told == ["first"]
        assert 0.1 < checkpointer.pop_wait_seconds() < 5
        assert checkpointer.pop_wait_seconds() == 0


@pytest.mark.parametrize("rank", [0, 1])
def test_several_workers_all_tell_after_the_same_step(rank: int) -> None:
    told = Told()
    with AsyncCheckpointer(told, DistributedContext(rank, 2)) as checkpointer:
        checkpointer.submit("first", LATER, noop, 10)
        heard = [step for step in range(10, 40) if checkpointer.poll(step) and told == ["first"]]
    assert heard[0] == 10 + REPORT_DELAY_STEPS


def test_a_run_that_diverges_tells_what_came_before() -> None:
    told = Told()
    with pytest.raises(DivergedError), AsyncCheckpointer(told, DistributedContext(0, 2)) as checkpointer:  # noqa: PT012
        checkpointer.submit("first", LATER, noop, 10)
        raise DivergedError("")
    assert told == ["first"]


@pytest.mark.parametrize(("size", "known"), [(1, ["first"]), (2, [])])
def test_an_error_of_one_worker_of_several_tells_nothing_that_the_others_would_not(size: int, known: list[str]) -> None:
    told = Told()
    with pytest.raises(ValueError, match="mine"), AsyncCheckpointer(told, DistributedContext(0, size)) as checkpointer:  # noqa: PT012
        checkpointer.submit("first", LATER, noop, 10)
        raise ValueError("mine")
    assert told == known


def test_what_cannot_be_saved_is_not_told_and_ends_the_run() -> None:
    def full() -> None:
        raise StorageError("no space")

    told = Told()
    with pytest.raises(StorageError, match="no space"), AsyncCheckpointer(told, DistributedContext()) as checkpointer:  # noqa: PT012
        checkpointer.submit("first", LATER, full, 10)
        checkpointer.flush()
    assert told == []


def test_leaving_waits_for_the_file(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Storage(str(tmp_path)), "trial")
    with AsyncCheckpointer(Told(), DistributedContext()) as checkpointer:
        checkpointer.submit("first", LATER, lambda: checkpoints.save({"step": 10}), 10)
    assert checkpoints.load() == {"step": 10}


def test_a_snapshot_keeps_its_values_while_training_goes_on() -> None:
    weights = torch.ones(3)
    state = {"model": {"weight": weights}, "optimizer": {"groups": [{"lr": 0.1, "moment": weights}]}, "step": 7}
    copied = to_cpu(state)
    weights.mul_(2)
    assert copied["model"]["weight"].tolist() == [1, 1, 1]
    assert copied["optimizer"]["groups"][0]["moment"].tolist() == [1, 1, 1]
    assert copied["optimizer"]["groups"][0]["lr"] == 0.1
    assert copied["step"] == 7
