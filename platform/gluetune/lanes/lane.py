"""A lane: an actor with a mailbox and Ray Train's controller, and the worker group behind it.

The driver imports this module before it connects to Ray. Ray Train, whose import takes a second, is therefore imported
by the actor's thread only.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextlib import suppress
from typing import Any

import ray

from gluetune.events import LANE_FILES, LaneEvent
from gluetune.internals.ray_train import run_worker_group
from gluetune.lanes.mailbox import Mailbox
from gluetune.lanes.placement_groups import group_name, release_placement_groups
from gluetune.lanes.protocol import LaneSpec, TrialAssignment, Workload
from gluetune.lanes.worker_main import serve

MAX_RESTARTS = 100  # of a lane's worker group: lost spot nodes cause some; a group that can never start must end


class LaneActor:
    """The actor of a lane. It starts a worker group, gives it one assignment at a time, and passes on its events.

    Its coroutines make Ray run it as an async actor: workers call its mailbox while the search waits for an event.

    Args:
        spec: the resources and limits of the lane.
        name: the lane's name, which is the actor's name too.
        workload: what the workers run; ``None`` where `set_workload` sets it later.
    """

    def __init__(self, spec: LaneSpec, name: str, workload: Workload | None = None) -> None:
        self._mailbox = Mailbox(spec.max_failures)
        self._mailbox.set_workload(workload)
        self._actor = ray.get_runtime_context().current_actor
        self._spec, self._name = spec, name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def set_workload(self, workload: Workload) -> None:
        """Set what the workers run; they wait for it."""
        self._mailbox.set_workload(workload)

    @ray.method(num_returns=0)
    async def assign(self, assignment: TrialAssignment) -> None:
        """Give the workers an assignment; one that they still work on is cancelled."""
        self._mailbox.assign(assignment)

    @ray.method(num_returns=0)
    async def cancel(self, assignment_id: int) -> None:
        """Cancel an assignment, if it is the current one or has not arrived yet."""
        self._mailbox.cancel(assignment_id)

    async def next_event(self, assignment_id: int) -> LaneEvent | None:
        """Wait for the next event of an assignment.

        Returns:
            The event; ``None`` where the assignment was cancelled or replaced, or the lane closed.

        Raises:
            LaneError: the worker group could not be started or kept alive.
        """
        return await self._mailbox.next_event(assignment_id)

    async def event_json_after(self, assignment_id: int, after: int) -> tuple[int, str] | None:
        """Wait for the next event of an assignment, as JSON: processes that pass it on need not import its class.

        Args:
            assignment_id: the assignment.
            after: the number of the event before, which this call acknowledges; 0 at first.

        Returns:
            The event's number in the assignment and its JSON; ``None`` where `next_event` returns ``None``.

        Raises:
            LaneError: the worker group could not be started or kept alive.
        """
        numbered = await self._mailbox.event_after(assignment_id, after)
        return None if numbered is None else (numbered[0], numbered[1].model_dump_json())

    async def wait_until_ready(self) -> None:
        """Wait until a worker has requested work for the first time."""
        await self._mailbox.wait_until_ready()

    async def wait_until_closed(self) -> str:
        """Wait until the lane is closed, and return why; empty where it was closed on purpose."""
        return await self._mailbox.wait_until_closed()

    async def block(self) -> None:
        """Never return: Ray ends this call with an error when the actor's process has ended."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Close the lane and wait until its workers have ended."""
        self._mailbox.close()
        await asyncio.to_thread(self._thread.join)

    async def call_mailbox(self, method: str, *arguments: Any) -> Any:
        """Call a method of the lane's `Mailbox`, wait for it if it is a coroutine, and return its result."""
        result = getattr(self._mailbox, method)(*arguments)
        return await result if inspect.isawaitable(result) else result

    def _run(self) -> None:
        try:
            self._run_workers()
            reason = "its workers left their loop"
        except Exception as error:
            reason = f"its worker group ended: {error}"
        with suppress(ray.exceptions.RayActorError):  # the actor may be gone by now
            ray.get(self._actor.call_mailbox.remote("close", reason))

    def _run_workers(self) -> None:
        """Run the worker group, restarted after failures, until all workers return."""
        from ray.train import FailureConfig, RunConfig

        run_worker_group(
            serve,
            {"spec": self._spec, "lane_actor": self._actor, "name": self._name},
            self._spec.scaling,
            RunConfig(
                name=self._name,
                storage_path=self._spec.storage.uri(LANE_FILES),
                failure_config=FailureConfig(max_failures=MAX_RESTARTS),
            ),
            group_name(self._name),
            lambda: release_placement_groups(self._name),
        )
