"""What the workers of one lane agree on."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from gluetune.lanes import worker
from gluetune.training import DistributedContext


class _Rank(worker.Worker):
    """One of two ranks, and what the mailbox answers where it asks for its work."""

    def __init__(self, rank: int, work: Any) -> None:
        self._distributed, self._answer = DistributedContext(rank, 2, "cpu"), work

    def tell(self, what: str, *arguments: Any) -> Any:
        return {"started": True, "work": self._answer}[what]

    def _check_storage(self) -> None:
        pass


@pytest.mark.parametrize(
    ("first", "second", "goes_on"),
    [("work", "work", True), (None, None, False), (None, "work", False), ("work", None, True)],
)  # the lane was closed between the two
def test_all_workers_of_a_lane_start_or_none(
    monkeypatch: pytest.MonkeyPatch, first: str | None, second: str | None, goes_on: bool
) -> None:
    said: deque[Any] = deque()

    def broadcast(answer: list[Any], src: int) -> None:
        if answer[0] is None:
            answer[0] = said.popleft()
        else:
            said.append(answer[0])

    monkeypatch.setattr(worker.distributed, "broadcast_object_list", broadcast)
    assert [_Rank(0, first).started(), _Rank(1, second).started()] == [goes_on, goes_on]
