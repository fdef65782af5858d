"""The entry point of a lane's workers.

It is a module of its own because the lane's actor imports it too, and must not import torch, as
`gluetune.lanes.worker` does.
"""

from __future__ import annotations

import traceback
from typing import Any

import ray

from gluetune.supervisor.driver import gc_paused


def serve(config: dict[str, Any]) -> None:
    """Import `gluetune.lanes.worker` and run assignments until the lane closes.

    Args:
        config: arguments of `gluetune.lanes.worker.Worker`.

    Raises:
        Exception: the worker cannot start; the error was reported to the mailbox, and the lane is still open.
    """
    try:
        with gc_paused():
            from gluetune.lanes import worker

        ready = worker.Worker(**config)
    except Exception:
        if not ray.get(config["lane_actor"].call_mailbox.remote("register_failed_start", traceback.format_exc())):
            return  # an exception would make Ray Train start another worker group for a closed lane
        raise
    worker.serve(ready)
