"""Where a lane's workers enter: apart from what they do, whose imports no other process of a lane should wait for."""

from __future__ import annotations

import traceback
from typing import Any

import ray

from gluetune.supervisor.process import gc_paused


def serve(config: dict[str, Any]) -> None:
    """Imports `gluetune.lanes.worker` and runs its ``serve``; a worker that cannot even do that says so."""
    try:
        with gc_paused():
            from gluetune.lanes import worker

        ready = worker.Worker(**config)
    except Exception:
        if not ray.get(config["holder"].mail.remote("not_started", traceback.format_exc())):
            return  # or Ray Train would start group after group
        raise
    worker.serve(ready)
