"""The journal's events of a whole search: its sessions, requests, and the ends of its tasks. They are of no trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gluetune.events.schema import Event
from gluetune.events.search_requests import RequestHandled


@dataclass(frozen=True, slots=True)
class Spent:
    """What a search has spent; the attributes are named like the limits of a budget.

    Attributes:
        seconds: seconds for which it had lanes.
        cpu_hours: hours of the CPU cores of its lanes.
        gpu_hours: hours of the GPUs of its lanes.
    """

    seconds: float = 0.0
    cpu_hours: float = 0.0
    gpu_hours: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.cpu_hours + other.cpu_hours, self.gpu_hours + other.gpu_hours)


class _SearchEvent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    time: float = Field(description="when it happened, in seconds since the epoch")


class SessionStarted(_SearchEvent):
    """A session of a search gave its first trial to a lane, or has winners to score. A resumed search has several.

    Attributes:
        held_since: when the session's first lane was started, in seconds since the epoch; from then on the session
            counts as having all its lanes.
        lanes: number of trials that run at the same time.
        workers_per_lane: number of workers of each lane.
        cpus_per_worker: CPU cores of each worker.
        gpus_per_worker: GPUs of each worker.
    """

    event: Literal["session_started"] = "session_started"
    held_since: float
    lanes: int
    workers_per_lane: int
    cpus_per_worker: float
    gpus_per_worker: float

    @property
    def cpus_per_lane(self) -> float:
        """CPU cores of each lane."""
        return self.workers_per_lane * self.cpus_per_worker

    @property
    def gpus_per_lane(self) -> float:
        """GPUs of each lane."""
        return self.workers_per_lane * self.gpus_per_worker

    def spent(self, seconds: float) -> Spent:
        """Return what its lanes spend in a time.

        Args:
            seconds: seconds for which the search has these lanes.
        """
        hours = seconds * self.lanes / 3600
        return Spent(seconds, hours * self.cpus_per_lane, hours * self.gpus_per_lane)


class SessionEnded(_SearchEvent):
    """A session has ended all its lanes. A session whose driver was killed has no such event.

    Attributes:
        status: how the search ended, such as ``complete``.
    """

    event: Literal["session_ended"] = "session_ended"
    status: str


class LaneLost(_SearchEvent):
    """A trial lost its lane, which died, or the process that follows the trial.

    Attributes:
        number: the trial.
        message: why, as far as it is known.
    """

    event: Literal["lane_lost"] = "lane_lost"
    number: int
    message: str = ""


class TaskEnded(_SearchEvent):
    """A task gets no further trials, because they are not expected to raise its best score enough.

    Attributes:
        task: name of the task.
        trials: number of its trials that had ended.
        further_trials: number of further trials whose gain was estimated.
        expected_gain: that gain, in units of the score.
        threshold: the job's ``expected_gain_below``.
        patience: the job's ``patience``: so many estimates in a row were below the threshold.
    """

    event: Literal["task_ended"] = "task_ended"
    task: str
    trials: int
    further_trials: int
    expected_gain: float
    threshold: float
    patience: int


SearchEvent = SessionStarted | SessionEnded | LaneLost | TaskEnded | RequestHandled
JournalEvent = Event | SearchEvent
JOURNAL_EVENT_ADAPTER: TypeAdapter[JournalEvent] = TypeAdapter(Annotated[JournalEvent, Field(discriminator="event")])
