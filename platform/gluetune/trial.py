"""The Ray Tune Trainable: one trial after the other on one lane.

Tune reuses the actor (``reuse_actors=True``), and with it the lane, for the next trial. Configurations and results
carry orders and journal events as JSON; everything that decides anything is in `gluetune.search`.
"""

from __future__ import annotations

import json
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
        self._lane.assign(Order(**json.loads(config[ORDER_KEY])))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Hands the lane the next trial."""
        self._lane.assign(Order(**json.loads(new_config[ORDER_KEY])))
        return True

    def step(self) -> dict[str, Any]:
        """Waits for the trial's next event."""
        return {EVENT_KEY: self._lane.collect().model_dump_json()}

    def cleanup(self) -> None:
        """Ends the lane."""
        self._lane.close()
