"""Work that is done once on a cluster, with one lane worker's resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import ray

from gluetune.cluster import Resources
from gluetune.errors import ClusterError, UserError

T = TypeVar("T")


def on_worker(resources: Resources, work: Callable[..., T], *arguments: Any) -> T:
    """Does a piece of work where its resources are free, and waits for it.

    Args:
        resources: what it takes.
        work: a function that pickles.
        arguments: its arguments; references to objects in the object store are resolved.

    Raises:
        UserError: the work raised it.
        ClusterError: its process died.
    """
    run = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=2)(work)
    try:
        result: T = ray.get(run.remote(*arguments))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ClusterError(f"the worker that was to do it died: {error}") from error
    return result
