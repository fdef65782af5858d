"""Stop signals: what is recorded while Ray Tune ends its lanes, and which Ray tasks are cancelled."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest
import ray

from gluetune.errors import AllTrialsFailedError, StorageError, UserError
from gluetune.lanes import LanePool
from gluetune.search.controller import SearchController
from gluetune.search.ray_tasks import cancel_on_error
from gluetune.search.trials import SearchEnd
from gluetune.supervisor import DeferredStop


def test_a_stop_is_recorded_once_however_often_tune_calls() -> None:
    stop, recorded, controller = DeferredStop(), list[str](), create_autospec(SearchController, instance=True)
    controller.fatal_error = None
    end = SearchEnd(controller, LanePool(), stop, on_stop=lambda: recorded.append("stopped"))
    assert not end.reached()
    stop.requested = True
    assert [end.reached() for _ in range(3)] == [True, True, True]
    assert recorded == ["stopped"]
    controller.stop.assert_called_once()


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
    budget: float | None, fatal: UserError | None, reason: str | None
) -> None:
    controller, pool = create_autospec(SearchController, instance=True), ReleasingPool()
    controller.fatal_error = fatal
    end = SearchEnd(controller, pool, DeferredStop(), budget)
    ends = reason is not None or fatal is not None
    assert [end.reached(), end.reached()] == [ends, ends]
    assert pool.released == ends, "a Trainable that waits for an event cannot end"
    assert [call.args for call in controller.stop.call_args_list] == ([(reason,)] if reason else [])


def test_tasks_of_a_cluster_that_has_gone_are_not_cancelled_on_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[object] = []
    monkeypatch.setattr(ray, "cancel", lambda task, **_: cancelled.append(task))
    with pytest.raises(KeyboardInterrupt), cancel_on_error([object()]):
        raise KeyboardInterrupt
    assert not cancelled
