"""Checkpoints: files that can be loaded again, and evaluations that are reported once their checkpoint is saved."""

from __future__ import annotations

import pickle
from itertools import count
from pathlib import Path
from threading import Event

import pytest
import torch

from gluetune.errors import DivergedError, StorageError
from gluetune.storage import Storage
from gluetune.training import Checkpoints, DistributedContext, checkpoints
from gluetune.training.checkpoints import REPORT_DELAY_STEPS, AsyncCheckpointer, noop, to_cpu

FAR = 10**6  # a deadline that no test reaches


class Reported(list[str]):
    """The reported evaluations; stops the run after ``limit`` of them."""

    def __init__(self, limit: int = 100) -> None:
        super().__init__()
        self._limit = limit

    def __call__(self, evaluation: str) -> bool:
        self.append(evaluation)
        return len(self) < self._limit


class FakeClock:
    """A clock that only tests move; ``read`` is set once it has been read."""

    def __init__(self) -> None:
        self.now, self.read = 0.0, Event()

    def monotonic(self) -> float:
        now = self.now
        self.read.set()
        return now


def test_steps_continue_while_a_checkpoint_is_written_and_its_evaluation_waits_for_it() -> None:
    reported, written = Reported(), Event()
    with AsyncCheckpointer(reported, DistributedContext()) as checkpointer:
        checkpointer.submit("first", FAR, lambda: written.wait(10) and None, 10)  # type: ignore[arg-type]
        assert all(checkpointer.poll(step) for step in range(10, 200))
        assert reported == []
        written.set()
        assert checkpointer.flush()
        assert reported == ["first"]
        assert checkpointer.flush()
    assert reported == ["first"]


def test_a_report_that_stops_the_run_stops_it_before_the_next_step() -> None:
    reported = Reported(limit=1)
    with AsyncCheckpointer(reported, DistributedContext()) as checkpointer:
        checkpointer.submit("first", FAR, noop, 10)
        assert next(step for step in count(10) if not checkpointer.poll(step)) >= 10
        assert checkpointer.poll(11)  # nothing is pending any more
    assert reported == ["first"]


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_slow_storage_blocks_the_deadlines_step_and_the_wait_is_measured(
    world_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, reported = FakeClock(), Reported()
    monkeypatch.setattr(checkpoints, "time", clock)

    def save() -> None:
        clock.read.wait(10)  # until the checkpointer starts to wait
        clock.now += 3

    with AsyncCheckpointer(reported, DistributedContext(0, world_size)) as checkpointer:
        checkpointer.submit("first", 14, save, 10)
        assert checkpointer.poll(13)
        assert reported == []
        assert checkpointer.poll(14)
        assert reported == ["first"]
        assert checkpointer.pop_wait_seconds() == 3
        assert checkpointer.pop_wait_seconds() == 0


@pytest.mark.parametrize("rank", [0, 1])
def test_several_workers_report_after_the_same_step(rank: int) -> None:
    reported = Reported()
    with AsyncCheckpointer(reported, DistributedContext(rank, 2)) as checkpointer:
        checkpointer.submit("first", FAR, noop, 10)
        steps = [step for step in range(10, 40) if checkpointer.poll(step) and reported == ["first"]]
    assert steps[0] == 10 + REPORT_DELAY_STEPS


def test_a_run_that_diverges_reports_the_evaluation_before() -> None:
    reported = Reported()
    with pytest.raises(DivergedError), AsyncCheckpointer(reported, DistributedContext(0, 2)) as checkpointer:  # noqa: PT012
        checkpointer.submit("first", FAR, noop, 10)
        raise DivergedError("")
    assert reported == ["first"]


@pytest.mark.parametrize(("world_size", "expected"), [(1, ["first"]), (2, [])])
def test_an_error_of_one_of_several_workers_reports_nothing_that_the_others_would_not(
    world_size: int, expected: list[str]
) -> None:
    reported = Reported()
    with (  # noqa: PT012
        pytest.raises(ValueError, match="of this worker"),
        AsyncCheckpointer(reported, DistributedContext(0, world_size)) as checkpointer,
    ):
        checkpointer.submit("first", FAR, noop, 10)
        raise ValueError("of this worker")
    assert reported == expected


def test_an_evaluation_whose_checkpoint_cannot_be_saved_is_not_reported_and_ends_the_run() -> None:
    def full() -> None:
        raise StorageError("no space")

    reported = Reported()
    with (  # noqa: PT012
        pytest.raises(StorageError, match="no space"),
        AsyncCheckpointer(reported, DistributedContext()) as checkpointer,
    ):
        checkpointer.submit("first", FAR, full, 10)
        checkpointer.flush()
    assert reported == []


def test_the_end_of_the_context_waits_for_the_file(tmp_path: Path) -> None:
    files = Checkpoints(Storage(str(tmp_path)), "trial")
    with AsyncCheckpointer(Reported(), DistributedContext()) as checkpointer:
        checkpointer.submit("first", FAR, lambda: files.save({"step": 10}), 10)
    assert files.load() == {"step": 10}


def test_a_copy_on_the_cpu_keeps_its_values_while_training_continues() -> None:
    weights = torch.ones(3)
    state = {"model": {"weight": weights}, "optimizer": {"groups": [{"lr": 0.1, "moment": weights}]}, "step": 7}
    copied = to_cpu(state)
    weights.mul_(2)
    assert copied["model"]["weight"].tolist() == [1, 1, 1]
    assert copied["optimizer"]["groups"][0]["moment"].tolist() == [1, 1, 1]
    assert copied["optimizer"]["groups"][0]["lr"] == 0.1
    assert copied["step"] == 7


def test_saved_files_are_loaded_with_the_same_values(tmp_path: Path) -> None:
    files = Checkpoints(Storage(str(tmp_path)), "trials/cola-0001")
    assert files.load() is None
    assert files.load_best() is None
    files.save({"step": 3, "model": {"w": torch.ones(2)}, "last": None})
    files.save_best({"w": torch.arange(6.0).reshape(2, 3).T})
    again = pickle.loads(pickle.dumps(files))
    state, best = again.load(), again.load_best()
    assert state is not None
    assert best is not None
    assert state["step"] == 3
    assert best["w"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_state_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    files = Checkpoints(Storage(str(tmp_path)), "trial")
    files.save({"harm": print})
    with pytest.raises(pickle.UnpicklingError):
        files.load()
