"""A lane in an actor of its own, for whoever is none: pre-training's driver, and tests."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ray
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gluetune.events import LaneEvent
from gluetune.lanes.causes import root_cause
from gluetune.lanes.lane import Lane, LaneActor, LaneSpec
from gluetune.lanes.mailbox import LaneError, TrialAssignment
from gluetune.lanes.placement import release_placement_groups


class RemoteLane:
    """What `Lane` is, for any process of the cluster.

    Args:
        spec: what the lane is made of.
    """

    def __init__(self, spec: LaneSpec) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options: dict[str, Any] = {
            "num_cpus": 0,
            "scheduling_strategy": here,
            "runtime_env": {"env_vars": get_env_vars_to_propagate()},  # for Ray Train, as its trainer hands them on
        }
        self._holder: Any = ray.remote(**options)(_RemoteLaneActor).remote(spec)

    def assign(self, order: TrialAssignment) -> None:
        """Sets the workers to a new order; one still in work is withdrawn.

        Raises:
            LaneError: the actor died.
        """
        self._ask("assign", order)

    def collect(self) -> LaneEvent:
        """Waits for the next report on the current order.

        Raises:
            LaneError: the worker group could not be started or kept alive, or the actor died.
        """
        report: LaneEvent = self._ask("collect")
        return report

    def close(self) -> None:
        """Ends workers and actor."""
        with suppress(ray.exceptions.RayError):  # it is closed already, or died: why is known, or no longer matters
            ray.get(self._holder.close.remote())
        ray.kill(self._holder)
        release_placement_groups(
            self._holder._actor_id.hex()
        )  # it may have started workers anew, or had no time to end them

    def _ask(self, what: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._holder, what).remote(*arguments))
        except ray.exceptions.RayTaskError as error:
            raise LaneError(root_cause(error)) from None
        except ray.exceptions.RayActorError as error:
            raise LaneError(f"its actor died: {error}") from None


class _RemoteLaneActor(LaneActor):
    def __init__(self, spec: LaneSpec) -> None:
        self.lane = Lane(spec)

    async def assign(self, order: TrialAssignment) -> None:
        self.lane.assign(order)

    async def collect(self) -> LaneEvent:
        return await self.lane.collect()

    async def close(self) -> None:
        await self.lane.close()
