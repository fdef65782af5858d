"""The start of a worker group: all of its ranks enter the loop, or none."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from gluetune.lanes import worker
from gluetune.training import DistributedContext


class _Rank(worker.Worker):
    """One of two ranks, with the mailbox's answer to its request for a workload."""

    def __init__(self, rank: int, workload: Any) -> None:
        self.distributed, self._workload_answer = DistributedContext(rank, 2, "cpu"), workload

    def call(self, method: str, *arguments: Any) -> Any:
        return {"register_start": True, "wait_for_workload": self._workload_answer}[method]

    def _check_storage(self) -> None:
        pass


@pytest.mark.parametrize(
    ("first", "second", "starts"),
    [("workload", "workload", True), (None, None, False), (None, "workload", False), ("workload", None, True)],
)
def test_all_workers_of_a_lane_start_or_none_where_it_is_closed_between_their_requests(
    monkeypatch: pytest.MonkeyPatch, first: str | None, second: str | None, starts: bool
) -> None:
    sent: deque[Any] = deque()

    def broadcast(answer: list[Any], src: int) -> None:
        if answer[0] is None:
            answer[0] = sent.popleft()
        else:
            sent.append(answer[0])

    monkeypatch.setattr(worker.distributed, "broadcast_object_list", broadcast)
    assert [_Rank(0, first).start(), _Rank(1, second).start()] == [starts, starts]
