"""The Ray Tune Trainable: one trial after the other on one lane.

Tune reuses the actor (``reuse_actors=True``), and with it the lane, for the next trial. Configurations and results
carry orders and journal events as JSON; everything that decides anything is in `gluetune.search`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ray import tune
from ray.tune.result import DONE

from gluetune.lanes import Lane, LaneActor, LaneError, LaneSpec, TrialAssignment, Workload

EVENT_KEY = "event"
ORDER_KEY = "order"
BECOMING_S = 120.0  # seconds, far longer than a call that was sent before may take


class Trial(LaneActor, tune.Trainable):
    """Runs the order in ``config["order"]``; each step returns one journal event in ``result["event"]``.

    Ray makes an actor with coroutines an async one, and the lane's workers reach its mailbox while it waits for them.
    """

    def setup(self, config: dict[str, Any], spec: LaneSpec) -> None:  # type: ignore[override]  # tune.with_parameters
        """Starts the lane and hands it the first trial."""
        self.lane = Lane(spec)
        self.lane.assign(_order(config))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Hands the lane the next trial."""
        self.lane.assign(_order(new_config))
        return True

    async def train(self) -> dict[str, Any]:
        """Waits for the trial's next event."""
        try:
            self._event = await self.lane.collect()
        except LaneError as error:
            if str(error):
                raise
            return {DONE: True}  # the lane was closed, and Tune no longer waits for this
        return super().train()  # type: ignore[no-any-return]

    def step(self) -> dict[str, Any]:
        """The event that came."""
        return {EVENT_KEY: self._event.model_dump_json()}

    async def stop(self) -> None:
        """Ends the lane."""
        await self.lane.close()
        super().stop()


class PrestartedTrial(Trial):
    """A trial whose lane starts at once, before Tune has any trial for it and the lane any work."""

    def __init__(self, spec: LaneSpec) -> None:
        self.lane = Lane(spec)
        self._became = asyncio.Event()
        self._broken: Exception | None = None

    def become(self, work: Workload, settings: dict[str, Any]) -> None:
        """Is from now on what Tune would have made with its settings.

        No process waits for this call: its errors are kept for `train` to raise.
        """
        try:
            Trial.__init__(self, **settings)
            self.lane.give(work)
        except Exception as error:
            self._broken = error
        self._became.set()

    async def train(self) -> dict[str, Any]:
        """Waits for the trial's next event, as `Trial.train` does, but first for the call of `become`.

        Ray may run this method first although `become` was sent first: calls of an async actor overtake each other.

        Raises:
            LaneError: it never became a trial; Tune tries that again on a new lane.
        """
        try:
            await asyncio.wait_for(self._became.wait(), BECOMING_S)
        except TimeoutError:
            raise LaneError(f"its first trial did not reach the lane within {BECOMING_S:g} s") from None
        if self._broken is not None:
            raise self._broken
        return await super().train()

    async def stop(self) -> None:
        """Ends the lane, even before `become`."""
        if self._became.is_set() and self._broken is None:
            await super().stop()
        else:
            await self.lane.close()

    def setup(self, config: dict[str, Any]) -> None:  # type: ignore[override]
        """Hands the lane the first trial."""
        self.reset_config(config)


def _order(config: dict[str, Any]) -> TrialAssignment:
    return TrialAssignment(**json.loads(config[ORDER_KEY]))
