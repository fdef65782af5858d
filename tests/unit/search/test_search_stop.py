"""Stop signals: what is recorded while Ray Tune ends its lanes, and which Ray tasks are cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from gluetune.config import SchedulerConfig, SearchSpace, TrainingConfig
from gluetune.errors import AllTrialsFailedError, StorageError, UserError
from gluetune.events import Journal
from gluetune.lanes import LanePool
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.ray_tasks import cancel_on_error
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.search.trials import SearchEnd
from gluetune.storage import Storage
from gluetune.supervisor import DeferredStop

TASKS = {"cola": 1.0}
SPACE = SearchSpace.model_validate({"name": "rates", "space": {"learning_rate": [1e-5, 2e-5]}})


class RunningSearch:
    """A search in a folder, one trial of which runs."""

    def __init__(self, folder: Path) -> None:
        storage = Storage(str(folder))
        self.journal = Journal(storage)
        self.controller = SearchController(
            self.journal,
            TrialSampler(TASKS, SPACE, "grid", TrainingConfig(), 1, None),
            TaskPruners(TASKS, SchedulerConfig(), 1, 1),
            CheckpointRetention(storage, 1, []),
            [],
            1,
        )
        assert self.controller.next_trial() is not None

    @property
    def ends(self) -> list[str]:
        """The messages of the trials that were stopped."""
        return [event.message for event in self.journal.events if event.event == "ended" and event.status == "stopped"]


@pytest.fixture
def search(tmp_path: Path) -> RunningSearch:
    return RunningSearch(tmp_path)


def test_a_stop_is_recorded_once_however_often_tune_calls(search: RunningSearch) -> None:
    stop, recorded = DeferredStop(), list[str]()
    end = SearchEnd(search.controller, LanePool(), stop, on_stop=lambda: recorded.append("stopped"))
    assert not end.reached()
    stop.requested = True
    assert [end.reached() for _ in range(3)] == [True, True, True]
    assert recorded == ["stopped"]
    assert len(search.ends) == 1


class ReleasingPool(LanePool):
    """A pool without a cluster that counts how often all leases were ended."""

    released = 0

    def release_all(self) -> None:
        self.released += 1


@pytest.mark.parametrize(
    ("budget", "fatal", "reason"),
    [
        (0.0, None, "out of time"),
        (None, StorageError("the disk is full"), None),
        (None, AllTrialsFailedError("the first 3 trials all failed"), "the search was given up"),
        (3600.0, None, None),
    ],
)
def test_a_search_ends_when_its_time_is_up_or_it_cannot_continue(
    search: RunningSearch, budget: float | None, fatal: UserError | None, reason: str | None
) -> None:
    pool = ReleasingPool()
    search.controller.fatal_error = fatal
    end = SearchEnd(search.controller, pool, DeferredStop(), budget)
    ends = reason is not None or fatal is not None
    assert [end.reached(), end.reached()] == [ends, ends]
    assert pool.released == ends, "a Trainable that waits for an event cannot end"
    assert search.ends == ([reason] if reason else [])


def test_tasks_of_a_cluster_that_has_gone_are_not_cancelled_on_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[object] = []
    monkeypatch.setattr(ray, "cancel", lambda task, **_: cancelled.append(task))
    with pytest.raises(KeyboardInterrupt), cancel_on_error([object()]):
        raise KeyboardInterrupt
    assert not cancelled
