"""The Ray Tune Trainable of a search: it returns the events of one trial, which a lane runs.

Every process of a Trainable imports this module, while lanes start: it imports Ray Tune and nothing of gluetune.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import tune

DONE = "done"  # key of Ray Tune's: a result in which it is true ends the trial
EVENT_KEY, EVENT_NUMBER_KEY = "event", "event_number"
LANE_KEY, ASSIGNMENT_KEY, RESOURCES_KEY = "lane", "assignment_id", "resources"


class LaneTrainable(tune.Trainable):
    """Returns one journal event of a trial per step, in ``result["event"]``.

    The driver has leased a lane for the trial when it makes the trial's configuration, so the lane trains while this
    actor still starts. All decisions are made in `gluetune.search.controller`. Tune uses the actor for one trial after
    another.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> Any:
        """Return the resources of this actor, ``config["resources"]``.

        With `ray.tune.with_resources` Tune would pickle another class for each trial.
        """
        return tune.PlacementGroupFactory([config[RESOURCES_KEY]])

    def setup(self, config: dict[str, Any]) -> None:
        """Take the lane in ``config["lane"]`` and the assignment in ``config["assignment_id"]``.

        The lane is looked up in the first step: Tune tries a trial again whose step raises, because the lane has died
        meanwhile, but not one whose setup or reset does.
        """
        self._lane: Any = None
        self._lane_name: str = config[LANE_KEY]
        self._assignment_id: int = config[ASSIGNMENT_KEY]
        self._last_number = 0  # of the event that was returned last

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the lane and the assignment of the next trial."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for the trial's next event and return it as JSON, or the end of the trial where its lease has ended.

        Raises:
            LaneError: the lane died; Tune tries the trial again, for which the driver has leased another lane.
        """
        numbered = self._next_event()
        if numbered is None:
            return {DONE: True}
        self._last_number, event = numbered
        return {EVENT_KEY: event, EVENT_NUMBER_KEY: self._last_number}

    def _next_event(self) -> tuple[int, str] | None:
        try:
            if self._lane is None:
                self._lane = ray.get_actor(self._lane_name)
            reference = self._lane.event_json_after.remote(self._assignment_id, self._last_number)
        except ValueError as error:
            from gluetune.lanes import LaneError

            raise LaneError(f"its actor died: {error}") from None
        try:
            numbered: tuple[int, str] | None = ray.get(reference)
        except ray.exceptions.RayError:
            from gluetune.lanes.pool import resolve

            numbered = resolve(reference)  # raises a LaneError
        return numbered


def trial_config(lane: str, assignment_id: int, resources: dict[str, float]) -> dict[str, Any]:
    """Return the configuration of a trial that a lane runs.

    Args:
        lane: the name of the lane's actor.
        assignment_id: the trial's assignment.
        resources: what the trial's Trainable requests of Ray.
    """
    return {LANE_KEY: lane, ASSIGNMENT_KEY: assignment_id, RESOURCES_KEY: resources}


def numbered_event(result: dict[str, Any]) -> tuple[int, str]:
    """Return the event in a result of `LaneTrainable.step`: its number in the trial's assignment, and its JSON."""
    return result[EVENT_NUMBER_KEY], result[EVENT_KEY]
