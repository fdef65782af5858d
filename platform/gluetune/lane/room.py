"""Room on the cluster that Ray Train takes for worker groups, and forgets where one dies as it starts."""

from __future__ import annotations

from typing import Any

import ray
from ray.train.v2._internal.execution.callback import WorkerGroupCallback
from ray.util.placement_group import PlacementGroup, get_current_placement_group, remove_placement_group


class RoomKeeper(WorkerGroupCallback):  # type: ignore[misc]  # Ray has no type hints
    """Gives a worker group's room back before the next one starts, if nobody else did; runs in Ray's controller.

    Ray 2.60 gives back the placement group of a worker group that dies before it starts or after it has started. One
    that dies while its process group is set up keeps it until the search ends: its GPU idles, its node never goes, and
    without a spare node the lane waits for ever.
    """

    _taken: PlacementGroup | None = None

    def before_init_train_context(self, workers: list[Any]) -> dict[str, list[Any]]:
        """All workers are there; asks one for its placement group. Returns no arguments for them."""
        self._taken = ray.get(workers[0].execute_async(get_current_placement_group))
        return {}

    def before_worker_group_start(self, worker_group_context: Any) -> None:
        """Another group is about to ask for room."""
        if self._taken is not None:
            remove_placement_group(self._taken)  # nothing happens where it is gone already
            self._taken = None
