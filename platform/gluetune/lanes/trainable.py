"""The Ray Tune Trainable, which runs one trial after another on one lane.

Tune reuses the actor (``reuse_actors=True``), and with it the lane, for the next trial. Tune's configurations and
results carry assignments and journal events as JSON. All decisions are made in `gluetune.search`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ray import tune
from ray.tune.result import DONE

from gluetune.lanes import Lane, LaneActor, LaneError, LaneSpec, TrialAssignment, Workload

EVENT_KEY = "event"
ASSIGNMENT_KEY = "assignment"
ADOPT_TIMEOUT_S = 120.0  # seconds, far longer than a call that was sent before may take


class LaneTrainable(LaneActor, tune.Trainable):
    """Runs the assignment in ``config["assignment"]``; each step returns one journal event in ``result["event"]``.

    Its coroutines make Ray run it as an async actor, so that the lane's workers can call its mailbox while `train`
    waits for them.
    """

    def setup(self, config: dict[str, Any], spec: LaneSpec) -> None:  # type: ignore[override]  # tune.with_parameters
        """Start the lane and assign the first trial."""
        self.lane = Lane(spec)
        self.lane.assign(_assignment(config))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Assign the next trial to the lane."""
        self.lane.assign(_assignment(new_config))
        return True

    async def train(self) -> dict[str, Any]:
        """Wait for the trial's next event and return it as Tune's result.

        Raises:
            LaneError: the worker group could not be started or kept alive; Tune tries the trial again on a new lane.
        """
        try:
            self._event = await self.lane.next_event()
        except LaneError as error:
            if str(error):
                raise
            return {DONE: True}  # the lane was closed on purpose: Tune no longer waits for this result
        return super().train()  # type: ignore[no-any-return]

    def step(self) -> dict[str, Any]:
        """Return the event that `train` has waited for."""
        return {EVENT_KEY: self._event.model_dump_json()}

    async def stop(self) -> None:
        """End the lane."""
        await self.lane.close()
        super().stop()


class PrestartedTrainable(LaneTrainable):
    """A trainable whose lane starts at once, before Tune has a trial for it and before the workload is known.

    Args:
        spec: the lane, without a workload.
    """

    def __init__(self, spec: LaneSpec) -> None:
        self.lane = Lane(spec)
        self._adopted = asyncio.Event()
        self._adopt_error: Exception | None = None

    def adopt(self, workload: Workload, settings: dict[str, Any]) -> None:
        """Initialise the trainable as Tune would have done, and set the lane's workload.

        No process waits for this call: `train` raises its errors.

        Args:
            workload: what the lane's workers run.
            settings: the keyword arguments that Tune makes its trainables with.
        """
        try:
            LaneTrainable.__init__(self, **settings)
            self.lane.set_workload(workload)
        except Exception as error:
            self._adopt_error = error
        self._adopted.set()

    async def train(self) -> dict[str, Any]:
        """Wait for the call of `adopt`, then for the trial's next event, and return it as Tune's result.

        Ray may run this method before `adopt` even if `adopt` was sent first, because calls of an async actor can
        overtake each other.

        Raises:
            LaneError: `adopt` was not called in time, or the worker group could not be started or kept alive; Tune
                tries the trial again on a new lane.
        """
        try:
            await asyncio.wait_for(self._adopted.wait(), ADOPT_TIMEOUT_S)
        except TimeoutError:
            raise LaneError(f"its first trial did not reach the lane within {ADOPT_TIMEOUT_S:g} s") from None
        if self._adopt_error is not None:
            raise self._adopt_error
        return await super().train()

    async def stop(self) -> None:
        """End the lane, whether or not `adopt` was called."""
        if self._adopted.is_set() and self._adopt_error is None:
            await super().stop()
        else:
            await self.lane.close()

    def setup(self, config: dict[str, Any]) -> None:  # type: ignore[override]
        """Assign the first trial to the lane, which has started already."""
        self.reset_config(config)


def _assignment(config: dict[str, Any]) -> TrialAssignment:
    return TrialAssignment(**json.loads(config[ASSIGNMENT_KEY]))
