"""Single Ray tasks with a lane worker's resources, and the notice that shows what a search waits for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import ray
from ray.util import placement_group_table

from gluetune.cluster import Resources
from gluetune.errors import ClusterError, UserError

T = TypeVar("T")

NOTICE_INTERVAL_S = 60.0
_WAITING_STATES = ("PENDING", "RESCHEDULING")


def run_on_worker(resources: Resources, function: Callable[..., T], *arguments: Any) -> T:
    """Run a function as a Ray task, wait for it and return its result.

    Args:
        resources: CPUs and GPUs of the task.
        function: a function that can be pickled.
        arguments: its arguments; Ray resolves references to objects in its object store.

    Raises:
        UserError: the function raised it.
        ClusterError: the task's process died.
    """
    task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=2)(function).remote(*arguments)
    try:
        with cancel_on_error([task]):
            result: T = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ClusterError(f"the worker process of the task died: {error}") from error
    return result


@contextmanager
def cancel_on_error(tasks: Iterable[Any]) -> Iterator[None]:
    """Cancel unfinished Ray tasks when an exception, such as a stop signal, ends the block.

    Finished tasks are never cancelled: Ray 2.60 aborts the whole process when the cancellation and the end of a task
    coincide (``task_manager.cc: Check failed: it != submissible_tasks_.end()``).

    Args:
        tasks: references to the tasks' results, read when the block ends.
    """
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the cluster may be gone, and the first exception is the one to raise
            _cancel_unfinished(list(tasks))
        raise


def _cancel_unfinished(tasks: list[Any]) -> None:
    if not tasks or not ray.is_initialized():  # `ray.wait` would otherwise start a cluster
        return
    _, unfinished = ray.wait(tasks, num_returns=len(tasks), timeout=0, fetch_local=False)
    for task in unfinished:
        with suppress(Exception):
            ray.cancel(task, force=True)


class ClusterWaitNotice:
    """Reports placement groups that wait for resources, such as nodes that an autoscaler adds.

    Used as a context manager around a search. It checks in a thread of its own.

    Args:
        notify: called with a message after each check that finds waiting placement groups.
        interval_s: seconds between two checks.
    """

    def __init__(self, notify: Callable[[str], None], interval_s: float = NOTICE_INTERVAL_S) -> None:
        self._notify, self._interval_s = notify, interval_s
        self._exited = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gluetune-cluster-wait", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exited.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._exited.wait(self._interval_s):
            if (message := waiting_message()) is not None:
                self._notify(message)


def waiting_message() -> str | None:
    """Describe the placement groups that wait for resources, and the resources of the cluster.

    Returns:
        The message; ``None`` where no placement group waits.
    """
    groups = [group for group in placement_group_table().values() if group["state"] in _WAITING_STATES]
    if not groups:
        return None
    counts = Counter(_describe_bundles(list(group["bundles"].values())) for group in groups)
    lanes = ", ".join(f"{count} × ({bundles})" for bundles, count in counts.items())
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    return (
        f"waiting for resources: {lanes}; the cluster now has {len(nodes)} node(s) with {cpus:g} CPU and {gpus:g} GPU "
        "(`ray status` shows what its autoscaler does)"
    )


def _describe_bundles(bundles: list[dict[str, float]]) -> str:
    """Text such as ``2 workers of 4 CPU, 1 GPU``."""
    each = ", ".join(f"{amount:g} {kind}" for kind, amount in sorted(bundles[0].items()))
    return f"{len(bundles)} worker{'s' if len(bundles) > 1 else ''} of {each}"
