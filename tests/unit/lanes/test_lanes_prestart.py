"""How many lanes start before their search is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gluetune.cluster import ClusterSnapshot
from gluetune.config import BudgetConfig, JobConfig, LanesConfig, SearchConfig, SearchSpace
from gluetune.events import JOB_FILE
from gluetune.lanes import LanePool, LaneSpec, prestart
from gluetune.lanes.prestart import PrestartedLanes
from gluetune.storage import Storage

ENDLESS = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True, "type": "float"}}
TWO_POINTS = {"batch_size": {"values": [16, 32]}}


class RecordingPool(LanePool):
    """A pool without a cluster that records how many lanes it was to start."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[int] = []

    def start(self, spec: LaneSpec, lanes: int) -> None:
        self.started.append(lanes)


def started(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    space: dict[str, Any],
    num_samples: int | None = None,
    tasks: tuple[str, ...] = ("cola",),
    cpus: float = 8.0,
    budget: int | None = None,
) -> list[int]:
    monkeypatch.setattr(prestart, "take_snapshot", lambda: ClusterSnapshot.of({"CPU": cpus}))
    job = JobConfig(
        name="prestarted",
        tasks=dict.fromkeys(tasks, 1.0),
        search=SearchConfig(num_samples=num_samples, budget=BudgetConfig(trials=budget)),
        lanes=LanesConfig(max_concurrent_trials=4, cpus_per_worker=1.0),
    )
    lanes = PrestartedLanes(job, SearchSpace.model_validate({"name": "some", "space": space}), Storage(str(folder)))
    pool = RecordingPool()
    lanes.pool = pool
    lanes.start()
    return pool.started


def test_no_more_lanes_start_than_a_budget_has_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert started(monkeypatch, tmp_path, ENDLESS, tasks=("cola", "mrpc"), budget=3) == [3]


@pytest.mark.parametrize(
    ("space", "num_samples", "tasks", "count"),
    [
        (ENDLESS, None, ("cola",), 4),
        (ENDLESS, 3, ("cola",), 3),
        (ENDLESS, 3, ("cola", "mrpc"), 4),
        (TWO_POINTS, None, ("cola",), 2),
        (TWO_POINTS, 3, ("cola",), 2),
        (TWO_POINTS, 1, ("cola", "mrpc"), 2),
        ({}, None, ("cola",), 1),  # a single configuration
    ],
)
def test_no_more_lanes_start_than_there_can_be_trials(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    space: dict[str, Any],
    num_samples: int | None,
    tasks: tuple[str, ...],
    count: int,
) -> None:
    assert started(monkeypatch, tmp_path, space, num_samples, tasks) == [count]


def test_a_resumed_search_and_one_that_does_not_fit_start_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert started(monkeypatch, tmp_path, ENDLESS, cpus=0.0) == []
    Storage(str(tmp_path)).write(JOB_FILE, b"")
    assert started(monkeypatch, tmp_path, ENDLESS) == []
