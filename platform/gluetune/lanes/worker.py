"""What runs in a lane's workers: a loop that serves one order after the other."""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

import ray
import ray.train.torch
import torch
from ray import train
from torch import distributed

from gluetune.errors import DivergedError, StorageError, TrialError, TrialOutOfMemoryError
from gluetune.events import Evaluated, LaneEvent, StepLogged, TrialEnded
from gluetune.lanes.mailbox import SPLITS, TrialAssignment
from gluetune.lanes.work import Workload
from gluetune.training import Checkpoints, DistributedContext, Evaluation, StepLog

IDLE_S = 60.0  # an idle lane's ranks meet this often, well within the collectives' own timeout
VERDICT_STEPS = 16  # lanes of several workers ask this often whether their trial is still wanted

Status = Literal["diverged", "out_of_memory", "failed", "stopped"]


def serve(worker: Worker) -> None:
    """Takes orders from the mailbox until the lane closes."""
    if not worker.started():
        return  # or Ray Train would start group after group for a lane that was given up
    ticket = 0
    while (order := worker.next_order(ticket)) is not None:
        worker.run(order)
        ticket = order.ticket


class Worker:
    """One rank of a lane.

    Args:
        spec: the lane's `LaneSpec`.
        holder: the actor that holds the lane and its mailbox; only rank 0 talks to it, but where it complains.
        name: the lane's name.
    """

    def __init__(self, spec: Any, holder: Any, name: str) -> None:
        context = train.get_context()
        device = train.torch.get_device()
        self._distributed = DistributedContext(context.get_world_rank(), context.get_world_size(), str(device))
        self._spec, self._holder, self._name = spec, holder, name
        self._group = uuid.uuid4().hex
        self._last_step: float | None = None
        self._work: Workload | None = None
        torch.set_num_threads(max(1, int(spec.cpus)))

    def started(self) -> bool:
        """Tells the mailbox that the group starts, and waits for its work; whether the lane still has use for it.

        Raises:
            RuntimeError: this node does not reach the search's folder.
        """
        if not self._together(lambda: self.tell("started")):
            return False
        self._work = self.tell("work")
        if not self._together(lambda: self._work is not None):
            return False  # all ranks or none: the lane may have been closed between their questions
        self._check_storage()  # which may not be there before there is work
        return True

    def _check_storage(self) -> None:
        why = ""
        try:
            if self._spec.storage.exists():
                return
        except StorageError as error:
            why = f": {error}"
        self._fail(
            f"{self._spec.storage.uri()} must be a folder or bucket that every node reaches, but node "
            f"{ray.util.get_node_ip_address()} does not{why}"
        )

    def next_order(self, after: int) -> TrialAssignment | None:
        """Waits for an order newer than a ticket; ``None`` ends the loop. All ranks get the same."""
        while True:
            answer = self._together(lambda: self._ask(after))
            if answer != "wait":
                return answer  # type: ignore[no-any-return]

    def _ask(self, after: int) -> TrialAssignment | str | None:
        try:
            return self.tell("take", self._group, after, IDLE_S)  # type: ignore[no-any-return]
        except TimeoutError:
            return "wait"

    def run(self, order: TrialAssignment) -> None:
        """Trains one trial and reports how it ended, but for a good end; whatever the trial does, the lane lives on."""
        try:
            self._train(order)
        except DivergedError as error:  # seen by all ranks at the same step
            self._end(order, "diverged", str(error))
        except TrialOutOfMemoryError as error:
            if self._distributed.world_size > 1 and self._with_smaller_batches(order):
                raise  # the group starts anew
            self._end_alone(order, "out_of_memory", error)
        except StorageError as error:  # a full disk, a bucket out of reach: the trial can go on later
            self._end_alone(order, "stopped", error)
        except Exception:
            trace = traceback.format_exc(limit=-3)
            if self._distributed.world_size > 1:  # it may only say that another rank died: the mailbox counts how often
                self._fail(trace)
            self._end(order, "failed", trace)
            if self._distributed.cuda:  # a CUDA error may have spoiled the process for every later trial
                raise

    def _with_smaller_batches(self, order: TrialAssignment) -> bool:
        """Whether the order is tried again with smaller micro-batches: those of several workers change together."""
        tried, rows = order.training.get(SPLITS, 1), order.training.get("batch_size", 1)
        return bool(self.tell("smaller", order.ticket, tried, rows // self._distributed.world_size))

    def _fail(self, message: str) -> None:
        """Ends the worker group; the search learns why if that happens too often."""
        self.tell("complain", message)
        raise RuntimeError(message)

    def _end(self, order: TrialAssignment, status: Status, message: str = "") -> None:
        ended = TrialEnded(time=time.time(), number=order.number, status=status, message=message)
        self.tell("report", order.ticket, ended)

    def _end_alone(self, order: TrialAssignment, status: Status, error: TrialError | StorageError) -> None:
        """Ends a trial that this rank alone cannot go on with."""
        self._end(order, status, str(error))
        if (
            self._distributed.world_size > 1
        ):  # the other ranks wait in a collective that never comes: start the group anew
            raise error

    def _train(self, order: TrialAssignment) -> None:
        assert self._work is not None  # it has started
        dialogue = _TrialReporter(self, order)
        checkpoints = _AckedCheckpoints(self._spec.storage, order.folder, dialogue.approved)
        self._work.run(order, dialogue, checkpoints, self._distributed)

    def _together(self, ask: Callable[[], Any]) -> Any:
        """Rank 0's answer, on every rank."""
        if self._distributed.world_size == 1:
            return ask()
        answer = [ask() if self._distributed.rank == 0 else None]
        distributed.broadcast_object_list(answer, src=0)
        return answer[0]

    def send(self, what: str, *arguments: Any) -> Any:
        """Calls a method of the mailbox, whose answer `ray.get` waits for."""
        return self._holder.mail.remote(what, *arguments)

    def tell(self, what: str, *arguments: Any) -> Any:
        """Calls a method of the mailbox and waits for its answer."""
        return ray.get(self.send(what, *arguments))

    def gap(self, evaluation: Evaluation) -> float | None:
        """Seconds from the lane's last step of another trial, its last evaluation included, to this one's first."""
        first, last = evaluation.first_step_at, self._last_step
        self._last_step = evaluation.last_step_at + evaluation.eval_seconds
        return None if first is None or last is None else first - last


class _TrialReporter:
    """What rank 0 tells the mailbox about one order, and what all ranks learn from it."""

    def __init__(self, worker: Worker, order: TrialAssignment) -> None:
        self._worker, self._order = worker, order
        self._stepped = False
        rank0 = worker._distributed.rank == 0
        self._withdrawn = worker.send("withdrawn", order.ticket) if rank0 else None

    def wanted(self, step: int) -> bool:
        """Whether the trial should go on training; asked before every step, and answered without waiting."""
        self._stepped = True
        if self._worker._distributed.world_size > 1 and step % VERDICT_STEPS:
            return True
        return bool(self._worker._together(lambda: not ray.wait([self._withdrawn], timeout=0)[0]))

    def approved(self) -> bool:
        """Waits until the search has taken the last report to heart; whether the trial goes on. Rank 0 only."""
        return bool(self._worker.tell("approved", self._order.ticket))

    def report(self, evaluation: Evaluation) -> bool:
        """Reports an evaluation; whether the trial is still wanted. What the search knows already is not told again."""
        if evaluation.index <= self._order.reported:
            return True
        event = self._event(evaluation)
        return bool(self._worker._together(lambda: self._tell(event)))

    def log(self, log: StepLog) -> None:
        """Tells how training goes; what the search knows already is not told again."""
        if self._worker._distributed.rank == 0 and log.step > self._order.logged:
            self._tell(StepLogged(time=time.time(), number=self._order.number, **asdict(log)))

    def _tell(self, event: LaneEvent) -> bool:
        return bool(self._worker.tell("report", self._order.ticket, event))

    def _event(self, evaluation: Evaluation) -> Evaluated:
        facts = asdict(evaluation)
        del facts["first_step_at"], facts["last_step_at"]
        gap = self._worker.gap(evaluation) if self._stepped else None  # else its times are another process's
        return Evaluated(
            time=time.time(), number=self._order.number, idle_seconds_before=gap, lane=self._worker._name, **facts
        )


class _AckedCheckpoints(Checkpoints):
    """Checkpoints that a pruned trial can no longer change: each waits until the search wants the trial to go on.

    Without this a lane, which trains on while the search decides, could overwrite the best weights of a trial that has
    ended, with those of an evaluation that nobody recorded.
    """

    def __init__(self, storage: Any, folder: str, approved: Callable[[], bool]) -> None:
        super().__init__(storage, folder)
        self._approved = approved

    def save(self, state: dict[str, Any]) -> None:
        if self._approved():
            super().save(state)

    def save_best(self, weights: dict[str, Any]) -> None:
        if self._approved():
            super().save_best(weights)
