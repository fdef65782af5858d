"""What a stop signal has recorded while Ray Tune ends its lanes."""

from __future__ import annotations

from unittest.mock import create_autospec

from gluetune.search.controller import SearchController
from gluetune.search.tune import PrefetchStopper
from gluetune.supervisor import DeferredStop


def test_a_stop_is_recorded_once_however_often_tune_asks() -> None:
    stop, recorded, conductor = DeferredStop(), list[str](), create_autospec(SearchController, instance=True)
    stopper = PrefetchStopper(conductor, stop, lambda: recorded.append("stopped"))
    assert not stopper.stop_all()
    stop.asked = True
    assert [stopper.stop_all() for _ in range(3)] == [True, True, True]
    assert recorded == ["stopped"]
    conductor.stop.assert_called_once()
