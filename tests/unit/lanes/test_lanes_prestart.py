"""Prestarted lanes: how many start, and how they end without a trial."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gluetune.cluster import Resources
from gluetune.config import JobConfig, SearchConfig, SearchSpace
from gluetune.lanes import LaneError, prestart, trainable, worker_group
from gluetune.lanes.prestart import PrestartedLanes
from gluetune.storage import Storage

ENDLESS = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True, "type": "float"}}
TWO_POINTS = {"batch_size": {"values": [16, 32]}}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A simulated cluster for four lanes; lists the lanes that were ended, then the release of their resources."""
    ended: list[object] = []
    actor = SimpleNamespace(remote=lambda spec: object())
    monkeypatch.setattr(prestart, "prestarted_lane_count", lambda lanes: 4)
    monkeypatch.setattr(prestart, "prestart_resources", dict)
    monkeypatch.setattr(prestart, "resolve_worker_resources", lambda lanes: Resources(1.0, 0.0))
    monkeypatch.setattr(prestart.ray, "remote", lambda **_: lambda kind: actor)
    monkeypatch.setattr(prestart.ray, "kill", ended.append)
    monkeypatch.setattr(worker_group, "release_all_placement_groups", lambda: ended.append("released"))
    return ended


def started(
    folder: Path,
    space: dict[str, Any],
    num_samples: int | None = None,
    tasks: tuple[str, ...] = ("cola",),
) -> PrestartedLanes:
    job = JobConfig(name="prestarted", tasks=dict.fromkeys(tasks, 1.0), search=SearchConfig(num_samples=num_samples))
    searched = SearchSpace.model_validate({"name": "some", "space": space})
    lanes = PrestartedLanes(job, searched, Storage(str(folder)))
    lanes.start()
    return lanes


@pytest.mark.parametrize(
    ("space", "num_samples", "tasks", "count"),
    [
        (ENDLESS, None, ("cola",), 4),
        (ENDLESS, 3, ("cola",), 3),
        (ENDLESS, 3, ("cola", "mrpc"), 4),
        (TWO_POINTS, None, ("cola",), 2),
        (TWO_POINTS, 3, ("cola",), 2),
        (TWO_POINTS, 1, ("cola", "mrpc"), 2),
        ({}, None, ("cola",), 1),
    ],
)  # the last one as jobs/finetune.py has it
def test_no_more_lanes_start_than_there_can_be_trials(
    ended: list[object],
    tmp_path: Path,
    space: dict[str, Any],
    num_samples: int | None,
    tasks: tuple[str, ...],
    count: int,
) -> None:
    assert len(started(tmp_path, space, num_samples, tasks).actors) == count


@pytest.mark.parametrize(("lanes", "end"), [(4, 0), (3, 4)])
def test_all_end_where_the_cluster_has_become_too_small(
    ended: list[object], tmp_path: Path, lanes: int, end: int
) -> None:
    started(tmp_path, ENDLESS).trim(lanes)
    assert len([one for one in ended if one != "released"]) == end
    assert ended[end:] == ["released"] * bool(end)


class Lane:
    """A lane without workers."""

    def __init__(self, spec: object) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


def test_a_lane_can_be_ended_before_it_is_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainable, "Lane", Lane)
    prestarted_trainable = trainable.PrestartedTrainable(None)  # type: ignore[arg-type]
    asyncio.run(prestarted_trainable.stop())
    assert prestarted_trainable.lane.closed


@pytest.mark.parametrize(
    ("settings", "expected"), [({"config": {}}, "assign"), ({"unknown": 1}, "unknown")]
)  # which the lane above, or Tune's own class, cannot handle
def test_an_error_during_adoption_reaches_tune(
    settings: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        prestarted_trainable = trainable.PrestartedTrainable(None)  # type: ignore[arg-type]
        waiting = asyncio.ensure_future(prestarted_trainable.train())
        prestarted_trainable.adopt(None, settings)  # type: ignore[arg-type]
        with pytest.raises((AttributeError, TypeError), match=expected):
            await waiting
        await prestarted_trainable.stop()
        assert prestarted_trainable.lane.closed

    monkeypatch.setattr(trainable, "Lane", Lane)
    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_lane_that_is_never_adopted_fails_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainable, "Lane", Lane)
    monkeypatch.setattr(trainable, "ADOPT_TIMEOUT_S", 0.01)
    prestarted_trainable = trainable.PrestartedTrainable(None)  # type: ignore[arg-type]
    with pytest.raises(LaneError, match="did not reach the lane within"):
        asyncio.run(prestarted_trainable.train())
