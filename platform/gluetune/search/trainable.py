"""The Ray Tune Trainable of a search: it returns the events of one trial, which a lane runs."""

from __future__ import annotations

from typing import Any

import ray
from ray import tune
from ray.tune.result import DONE

from gluetune.lanes.pool import next_event

EVENT_KEY, LANE_KEY, ASSIGNMENT_KEY = "event", "lane", "assignment_id"


class LaneTrainable(tune.Trainable):
    """Returns one journal event of a trial per step, in ``result["event"]``.

    The driver has leased a lane for the trial when it makes the trial's configuration, so the lane trains while this
    actor still starts. All decisions are made in `gluetune.search.controller`. Tune uses the actor for one trial after
    another.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take the lane in ``config["lane"]`` and the assignment in ``config["assignment_id"]``."""
        self._lane: Any = ray.get_actor(config[LANE_KEY])
        self._assignment_id: int = config[ASSIGNMENT_KEY]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the lane and the assignment of the next trial."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the trial's next event and return it as JSON, or the end of the trial where its lease has ended.

        Raises:
            LaneError: the lane died; Tune tries the trial again, for which the driver has leased another lane.
        """
        event = next_event(self._lane, self._assignment_id)
        return {DONE: True} if event is None else {EVENT_KEY: event.model_dump_json()}


def trial_config(lane: str, assignment_id: int) -> dict[str, Any]:
    """Return the configuration of a trial that a lane runs.

    Args:
        lane: the name of the lane's actor.
        assignment_id: the trial's assignment.
    """
    return {LANE_KEY: lane, ASSIGNMENT_KEY: assignment_id}


def event_json(result: dict[str, Any]) -> str:
    """Return the event in a result of `LaneTrainable.step`."""
    text: str = result[EVENT_KEY]
    return text
