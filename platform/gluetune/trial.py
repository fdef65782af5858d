"""The Ray Tune Trainable: one trial after the other on one lane.

Tune reuses the actor (``reuse_actors=True``), and with it the lane, for the next trial. Results carry journal events as
JSON; everything that decides anything is in `gluetune.search`.
"""

from __future__ import annotations

import uuid
from typing import Any

from ray import tune

from gluetune.lane import Lane, LaneSpec, Order

EVENT_KEY = "event"
ORDER_KEY = "order"


class Trial(tune.Trainable):  # type: ignore[misc]  # Ray has no type hints
    """Runs the order in ``config["order"]``; each step returns one journal event in ``result["event"]``."""

    def setup(self, config: dict[str, Any], spec: LaneSpec) -> None:
        """Starts the lane and hands it the first trial."""
        self._lane = Lane(spec, f"lane-{uuid.uuid4().hex[:6]}")
        self._lane.assign(Order(**config[ORDER_KEY]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Hands the lane the next trial."""
        self._lane.assign(Order(**new_config[ORDER_KEY]))
        return True

    def step(self) -> dict[str, Any]:
        """Waits for the trial's next event."""
        return {EVENT_KEY: self._lane.collect().model_dump_json()}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing to save: trials keep their own checkpoints on the search's storage."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load, see `save_checkpoint`."""

    def cleanup(self) -> None:
        """Ends the lane."""
        self._lane.close()
