"""Says what a search waits for while its cluster has no room for all of its lanes yet."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

import ray
from ray.util import placement_group_table

EVERY_S = 60.0
_WAITING = ("PENDING", "RESCHEDULING")


class ClusterWaitNotice:
    """Looks every minute for placement groups that wait for room; used as a context manager around a search.

    Args:
        notify: told in words, as long as any wait.
        every_s: seconds between two looks.
    """

    def __init__(self, notify: Callable[[str], None], every_s: float = EVERY_S) -> None:
        self._notify, self._every_s = notify, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gluetune-pending", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            if (text := pending()) is not None:
                self._notify(text)


def pending() -> str | None:
    """What waits on the cluster, and what it has; ``None`` where nothing waits."""
    groups = [group for group in placement_group_table().values() if group["state"] in _WAITING]
    if not groups:
        return None
    wanted = Counter(_bundles(list(group["bundles"].values())) for group in groups)
    lanes = ", ".join(f"{count} × ({bundles})" for bundles, count in wanted.items())
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    return (
        f"waiting for room: {lanes}; the cluster now has {len(nodes)} node(s) with {cpus:g} CPU and {gpus:g} GPU "
        "(`ray status` shows what its autoscaler does)"
    )


def _bundles(bundles: list[dict[str, float]]) -> str:
    """Bundles in words, such as ``2 workers of 4 CPU, 1 GPU``."""
    each = ", ".join(f"{amount:g} {kind}" for kind, amount in sorted(bundles[0].items()))
    return f"{len(bundles)} worker{'s' if len(bundles) > 1 else ''} of {each}"
