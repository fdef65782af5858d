"""Work on the cluster that is to be cancelled after the cluster has gone."""

from __future__ import annotations

import pytest
import ray

from gluetune.search.ray_tasks import cancel_on_error


def test_work_of_a_cluster_that_is_gone_is_not_cancelled_on_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[object] = []
    monkeypatch.setattr(ray, "cancel", lambda task, **_: cancelled.append(task))
    with pytest.raises(KeyboardInterrupt), cancel_on_error([object()]):
        raise KeyboardInterrupt
    assert not cancelled
