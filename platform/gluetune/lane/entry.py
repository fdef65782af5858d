"""Where a lane's workers enter: apart from what they do, whose imports no other process of a lane should wait for."""

from __future__ import annotations

from typing import Any

from gluetune.imports import unsearched


def serve(config: dict[str, Any]) -> None:
    """See `gluetune.lane.worker.serve`."""
    with unsearched():
        from gluetune.lane import worker

    worker.serve(config)
