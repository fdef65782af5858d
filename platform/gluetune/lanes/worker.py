"""The loop of a lane's workers: it runs one assignment after another and reports to the mailbox."""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any, Literal

import ray
import ray.train.torch
from ray import train
from torch import distributed

from gluetune.errors import DivergedError, StorageError, TrialError, TrialOutOfMemoryError
from gluetune.events import (
    Evaluation,
    LaneEvent,
    PretrainingEvaluation,
    StepLog,
    StepLogged,
    TrialEnded,
    evaluation_event,
)
from gluetune.lanes.mailbox import ACCUMULATION_FIELD
from gluetune.lanes.protocol import TrialAssignment, Workload
from gluetune.training import Checkpoints, DistributedContext, FreedMemory, configure_process

POLL_TIMEOUT_S = 60.0  # the ranks of an idle lane meet this often, well within the timeout of torch's collectives
CANCEL_CHECK_INTERVAL_STEPS = 16  # of lanes with several workers, each of whose checks is a collective

Status = Literal["diverged", "out_of_memory", "failed", "stopped"]


def serve(worker: Worker) -> None:
    """Run assignments from the mailbox until the lane closes."""
    if not worker.start():
        return  # an exception would make Ray Train start another worker group for a closed lane
    assignment_id = 0
    while (assignment := worker.next_assignment(assignment_id)) is not None:
        worker.run(assignment)
        assignment_id = assignment.assignment_id


class Worker:
    """One rank of a lane's worker group.

    Args:
        spec: the lane's `LaneSpec`.
        lane_actor: handle of the `LaneActor`. Only rank 0 reports to it; every rank reports errors.
        name: the lane's name.

    Attributes:
        distributed: this worker's rank, the number of workers, and the device.
        name: the lane's name.
    """

    def __init__(self, spec: Any, lane_actor: Any, name: str) -> None:
        context = train.get_context()
        device = train.torch.get_device()
        self.distributed = DistributedContext(context.get_world_rank(), context.get_world_size(), str(device))
        self._spec, self._lane_actor, self.name = spec, lane_actor, name
        self._group = uuid.uuid4().hex
        self._last_step: float | None = None
        self._workload: Workload | None = None
        configure_process(self.distributed, threads=max(1, int(spec.cpus)))
        self._freed = FreedMemory()

    def start(self) -> bool:
        """Register the start of the worker group and wait for the lane's workload.

        Returns:
            Whether the lane is open; the same on all ranks.

        Raises:
            RuntimeError: this node cannot reach the search's folder.
        """
        if not self.broadcast_from_rank0(lambda: self.call("register_start")):
            return False
        self._workload = self.call("wait_for_workload")
        if not self.broadcast_from_rank0(lambda: self._workload is not None):
            return False  # the lane may have been closed between the calls of two ranks
        self._check_storage()  # the folder may not exist before there is a workload
        return True

    def _check_storage(self) -> None:
        detail = ""
        try:
            if self._spec.storage.exists():
                return
        except StorageError as error:
            detail = f": {error}"
        self._fail(
            f"{self._spec.storage.uri()} must be a folder or bucket that every node reaches, but node "
            f"{ray.util.get_node_ip_address()} does not{detail}"
        )

    def next_assignment(self, after: int) -> TrialAssignment | None:
        """Wait for the next assignment, which is the same on all ranks.

        Args:
            after: id of the last assignment, 0 at first.

        Returns:
            The assignment; ``None`` once the lane is closed.
        """
        while True:
            answer = self.broadcast_from_rank0(lambda: self._poll(after))
            if answer != "none yet":
                return answer  # type: ignore[no-any-return]

    def _poll(self, after: int) -> TrialAssignment | str | None:
        try:
            return self.call("next_assignment", self._group, after, POLL_TIMEOUT_S)  # type: ignore[no-any-return]
        except TimeoutError:
            return "none yet"

    def run(self, assignment: TrialAssignment) -> None:
        """Run one trial, and report its end where it does not finish.

        A finished trial needs no report: `next_assignment` implies it. After an error the worker continues with the
        next assignment if it can, and raises if the worker group has to be restarted.
        """
        self._freed.release()  # of the trial before, whose end has been reported
        try:
            self._train(assignment)
        except DivergedError as error:  # raised by all ranks at the same step
            self._end(assignment, "diverged", str(error))
        except TrialOutOfMemoryError as error:
            if self.distributed.world_size > 1 and self._retry_with_smaller_batches(assignment):
                raise  # restarts the group
            self._end_and_restart_group(assignment, "out_of_memory", error)
        except StorageError as error:  # a full disk or an unreachable bucket: a resume can continue the trial
            self._end_and_restart_group(assignment, "stopped", error)
        except Exception:
            trace = traceback.format_exc(limit=-3)
            if self.distributed.world_size > 1:  # another rank may be the cause: the mailbox counts
                self._fail(trace)
            self._end(assignment, "failed", trace)
            if self.distributed.cuda:  # a CUDA error may break every later trial of this process
                raise

    def _retry_with_smaller_batches(self, assignment: TrialAssignment) -> bool:
        """Whether the mailbox will give out the assignment again, with smaller micro-batches on all ranks."""
        micro_batches, rows = assignment.training.get(ACCUMULATION_FIELD, 1), assignment.training.get("batch_size", 1)
        return bool(
            self.call("halve_micro_batch", assignment.assignment_id, micro_batches, rows // self.distributed.world_size)
        )

    def _fail(self, message: str) -> None:
        """End the worker group by an error, which the mailbox reports if groups die too often."""
        self.call("report_error", message)
        raise RuntimeError(message)

    def _end(self, assignment: TrialAssignment, status: Status, message: str = "") -> None:
        ended = TrialEnded(time=time.time(), number=assignment.number, status=status, message=message)
        self.call("report", assignment.assignment_id, ended)

    def _end_and_restart_group(
        self, assignment: TrialAssignment, status: Status, error: TrialError | StorageError
    ) -> None:
        """End a trial because of an error of this rank alone, and restart the group if it has other ranks."""
        self._end(assignment, status, str(error))
        if self.distributed.world_size > 1:  # the other ranks wait in a collective that this rank will not join
            raise error

    def _train(self, assignment: TrialAssignment) -> None:
        workload = self._workload if assignment.workload is None else ray.get(assignment.workload)
        assert workload is not None  # set by `start`
        reporter = TrialReporter(self, assignment)
        checkpoints = AckedCheckpoints(self._spec.storage, assignment.folder, reporter.wait_for_ack)
        workload.run(assignment, reporter, checkpoints, self.distributed)

    def broadcast_from_rank0(self, compute: Callable[[], Any]) -> Any:
        """Call a function on rank 0 and return its result on every rank.

        Ray pickles it, because `ray.get` never returns for an object reference that plain pickle has copied to another
        process: the copy lacks the address of the object's owner.
        """
        if self.distributed.world_size == 1:
            return compute()
        answer: list[Any] = [ray.cloudpickle.dumps(compute()) if self.distributed.rank == 0 else None]
        distributed.broadcast_object_list(answer, src=0)
        return ray.cloudpickle.loads(answer[0])

    def call_async(self, method: str, *arguments: Any) -> Any:
        """Call a method of the mailbox and return a reference to its result."""
        return self._lane_actor.call_mailbox.remote(method, *arguments)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the mailbox and wait for its result."""
        return ray.get(self.call_async(method, *arguments))

    def idle_gap(self, evaluation: Evaluation | PretrainingEvaluation) -> float | None:
        """Return the seconds from the end of the lane's last trial to the first training step of this one.

        The end is that of the last evaluation. ``None`` where there is no trial before, or where the evaluation is not
        the trial's first on this lane.
        """
        first, last = evaluation.first_step_at, self._last_step
        self._last_step = evaluation.last_step_at + evaluation.eval_seconds
        return None if first is None or last is None else first - last


class TrialReporter:
    """The `gluetune.lanes.TrialContext` of one assignment: rank 0 calls the mailbox, all ranks get its answers.

    Args:
        worker: the rank.
        assignment: the trial.
    """

    def __init__(self, worker: Worker, assignment: TrialAssignment) -> None:
        self._worker, self._assignment = worker, assignment
        self._stepped = False
        is_rank0 = worker.distributed.rank == 0
        self._cancelled = worker.call_async("wait_for_cancel", assignment.assignment_id) if is_rank0 else None

    def should_continue(self, step: int) -> bool:
        """Return whether to train this step, without waiting for the search.

        With several workers the mailbox is checked every `CANCEL_CHECK_INTERVAL_STEPS` steps.
        """
        self._stepped = True
        if self._worker.distributed.world_size > 1 and step % CANCEL_CHECK_INTERVAL_STEPS:
            return True
        return bool(self._worker.broadcast_from_rank0(lambda: not ray.wait([self._cancelled], timeout=0)[0]))

    def wait_for_ack(self) -> bool:
        """Wait until the search has acknowledged the last event; return whether the trial continues. Rank 0 only."""
        return bool(self._worker.call("wait_for_ack", self._assignment.assignment_id))

    def report(self, evaluation: Evaluation | PretrainingEvaluation) -> bool:
        """Report an evaluation, unless it is in the journal already; return whether to continue training."""
        if evaluation.index <= self._assignment.reported:
            return True
        gap = self._worker.idle_gap(evaluation) if self._stepped else None  # else its clock is another process's
        event = evaluation_event(
            evaluation,
            time=time.time(),
            number=self._assignment.number,
            lane=self._worker.name,
            idle_seconds_before=gap,
        )
        return bool(self._worker.broadcast_from_rank0(lambda: self._send(event)))

    def log(self, log: StepLog) -> None:
        """Report training loss and speed, unless they are in the journal already."""
        if self._worker.distributed.rank == 0 and log.step > self._assignment.logged:
            self._send(StepLogged(time=time.time(), number=self._assignment.number, **log.model_dump()))

    def send(self, event: LaneEvent) -> None:
        """Report any other event. Only rank 0's call counts."""
        if self._worker.distributed.rank == 0:
            self._send(event)

    def _send(self, event: LaneEvent) -> bool:
        return bool(self._worker.call("report", self._assignment.assignment_id, event))


class AckedCheckpoints(Checkpoints):
    """Checkpoints that are written only after the search has acknowledged the evaluation before.

    A lane trains on while the search decides. Without the acknowledgement it could replace the best weights of a trial
    that was pruned by those of an evaluation that is not in the journal.

    Args:
        storage: the search's folder.
        folder: the trial's folder in it.
        wait_for_ack: waits for the acknowledgement and returns whether the trial continues.
        keeps_best: whether weights are kept, beside the state to resume from.
    """

    def __init__(self, storage: Any, folder: str, wait_for_ack: Callable[[], bool], *, keeps_best: bool = True) -> None:
        super().__init__(storage, folder, keeps_best=keeps_best)
        self._wait_for_ack = wait_for_ack

    def part(self, name: str, *, keeps_best: bool = True) -> AckedCheckpoints:
        """Return the checkpoints of a part of the trial, which are written as the trial's own."""
        return AckedCheckpoints(self._storage, f"{self._folder}/{name}", self._wait_for_ack, keeps_best=keeps_best)

    def save(self, state: dict[str, Any]) -> None:
        """Write the state for resuming, if the trial continues."""
        if self._wait_for_ack():
            super().save(state)

    def save_best(self, weights: dict[str, Any]) -> None:
        """Write the best weights, if the trial continues."""
        if self._wait_for_ack():
            super().save_best(weights)
