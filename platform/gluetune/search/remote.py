"""Work that is done once on a cluster, with one lane worker's resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import ray

from gluetune.cluster import Resources
from gluetune.errors import ClusterError, UserError

T = TypeVar("T")


@contextmanager
def cancelled_at_the_end(tasks: Iterable[Any]) -> Iterator[None]:
    """Cancels tasks that are unfinished when an exception ends the block, such as a stop signal during the wait.

    A finished task is never cancelled: Ray 2.60 aborts the whole process where the cancellation and the end of a task
    meet (``task_manager.cc: Check failed: it != submissible_tasks_.end()``).

    Args:
        tasks: references to their results, read when the block ends.
    """
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the cluster may be gone, and what ended the block matters more
            _cancel_unfinished(list(tasks))
        raise


def _cancel_unfinished(tasks: list[Any]) -> None:
    if not tasks or not ray.is_initialized():  # without a cluster, Ray would start one to cancel them on
        return
    _, unfinished = ray.wait(tasks, num_returns=len(tasks), timeout=0, fetch_local=False)
    for task in unfinished:
        with suppress(Exception):
            ray.cancel(task, force=True)


def run_on_worker(resources: Resources, work: Callable[..., T], *arguments: Any) -> T:
    """Does a piece of work where its resources are free, and waits for it.

    Args:
        resources: what it takes.
        work: a function that pickles.
        arguments: its arguments; references to objects in the object store are resolved.

    Raises:
        UserError: the work raised it.
        ClusterError: its process died.
    """
    run = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=2)(work).remote(*arguments)
    try:
        with cancelled_at_the_end([run]):
            result: T = ray.get(run)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ClusterError(f"the worker that was to do it died: {error}") from error
    return result
