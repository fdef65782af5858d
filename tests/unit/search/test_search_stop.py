"""Stop signals: what is recorded while Ray Tune ends its lanes, and which Ray tasks are cancelled."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest
import ray

from gluetune.lanes import LanePool
from gluetune.search.controller import SearchController
from gluetune.search.ray_tasks import cancel_on_error
from gluetune.search.tune_adapters import PrefetchStopper
from gluetune.supervisor import DeferredStop


def test_a_stop_is_recorded_once_however_often_tune_calls() -> None:
    stop, recorded, controller = DeferredStop(), list[str](), create_autospec(SearchController, instance=True)
    controller.fatal_error = None
    stopper = PrefetchStopper(controller, LanePool(), stop, on_stop=lambda: recorded.append("stopped"))
    assert not stopper.stop_all()
    stop.requested = True
    assert [stopper.stop_all() for _ in range(3)] == [True, True, True]
    assert recorded == ["stopped"]
    controller.stop.assert_called_once()


def test_tasks_of_a_cluster_that_has_gone_are_not_cancelled_on_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[object] = []
    monkeypatch.setattr(ray, "cancel", lambda task, **_: cancelled.append(task))
    with pytest.raises(KeyboardInterrupt), cancel_on_error([object()]):
        raise KeyboardInterrupt
    assert not cancelled
