"""Requests to a search, in its driver: they are read from the run's folder, acted on and recorded in the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from gluetune.config import (
    MODEL_FIELD,
    JobConfig,
    SearchConfig,
    SearchSpace,
    Value,
    completed_configuration,
    loss_issues,
    resolve_training,
)
from gluetune.errors import ConfigError, ConfigIssue, StorageError, UserError
from gluetune.events import (
    ENDED_BY_REQUEST,
    AddRequest,
    ExtendRequest,
    Journal,
    JournalEvent,
    RequestHandled,
    SearchEvent,
    SearchLimits,
    SearchPlan,
    SearchRequest,
    StopRequest,
    StopTrialRequest,
    TrialEnded,
    added_configurations,
    budget_rule,
    delete_request,
    format_params,
    read_request,
    waiting_requests,
)
from gluetune.models import check_training_config
from gluetune.search.prepare import SearchInputs
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage

logger = logging.getLogger(__name__)
POLL_S, REMOTE_POLL_S = 2.0, 10.0
"""Seconds between two listings of the requests, in a local folder and in a bucket."""
POLL_LIMIT_S = 0.2
"""Seconds after which a call of `RequestHandler.poll` handles no further request, while lanes wait for the driver."""


def apply_accepted(sampler: TrialSampler, search: SearchConfig, events: Sequence[JournalEvent]) -> SearchLimits:
    """Give a sampler what earlier sessions have accepted: the number of trials, and added configurations.

    Args:
        sampler: the sampler, which has not been given the trials of earlier sessions yet.
        search: the job's ``search`` section.
        events: the journal.

    Returns:
        The limits that hold now.
    """
    limits = SearchLimits.of(search, events)
    sampler.extend(limits.num_samples)
    for task, params in added_configurations(events):
        sampler.add(task, params)
    return limits


def check_configuration(
    job: JobConfig, space: SearchSpace, prepared: SearchInputs, task: str, params: Mapping[str, Value]
) -> None:
    """Check that a configuration, which need not lie in the search space, can be trained.

    Args:
        job: the job.
        space: its search space.
        prepared: encoders and data.
        task: name of the task.
        params: a value for each searched field.

    Raises:
        ConfigError: there is no such task, a value breaks the rule of its field or does not fit the task's labels.
        ModelError: the encoder has no such layers, head or adapter.
    """
    if task not in prepared.data:
        raise ConfigError([ConfigIssue("task", f"must be one of {', '.join(prepared.data)}, but got {task!r}")])
    whole = completed_configuration(space, job.training, params, {})
    training = resolve_training(job, space, whole)
    if issues := list(loss_issues(prepared.tasks[task], SearchSpace(space={}), training)):
        raise ConfigError(issues)
    check_training_config(prepared.encoders[str(whole.get(MODEL_FIELD, ""))].encoder, training)


def open_requests(
    storage: Storage,
    journal: Journal,
    sampler: TrialSampler,
    job: JobConfig,
    space: SearchSpace,
    prepared: SearchInputs,
) -> RequestHandler:
    """Return what handles the requests to a search, which has not been given the trials of earlier sessions yet.

    Args:
        storage: the search's folder.
        journal: its journal.
        sampler: chooses its trials.
        job: the job.
        space: its search space.
        prepared: encoders and data.
    """
    check = partial(check_configuration, job, space, prepared)
    return RequestHandler(storage, journal, sampler, job.search, check)


def limited_plan(plan: SearchPlan, sampler: TrialSampler, limits: SearchLimits) -> SearchPlan:
    """Return the plan of a search with the limits that hold now, and the trials that they give each task."""
    tasks = tuple(replace(task, planned=sampler.planned(task.task)) for task in plan.tasks)
    return replace(plan, time_budget_s=limits.time_budget_s, tasks=tasks)


def _read_known(storage: Storage, request_id: str) -> SearchRequest | None:
    """Return a request; ``None`` also for a file that is none."""
    try:
        return read_request(storage, request_id)
    except ValueError:
        return None


class RequestHandler:
    """Handles the requests to one search. A new one applies the requests that earlier sessions have accepted.

    Args:
        storage: the search's folder.
        journal: the search's journal.
        sampler: chooses the trials; it has not been given those of earlier sessions yet.
        search: the job's ``search`` section.
        check: raises a `UserError` where a configuration of a task cannot be trained.

    Attributes:
        limits: the limits that hold now.
        stop_requested: whether the search is to be stopped.
        on_change: called when limits or configurations have changed.
        write: writes an event of the whole search to the journal.
        end_trial: ends a trial for good, by its number and the reason.
    """

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        sampler: TrialSampler,
        search: SearchConfig,
        check: Callable[[str, Mapping[str, Value]], None],
    ) -> None:
        self._storage, self._journal, self._sampler, self._check = storage, journal, sampler, check
        self.limits, self._max_trials = apply_accepted(sampler, search, journal.history), search.budget.trials
        self.stop_requested = False
        self.on_change: Callable[[], None] = lambda: None
        self.write: Callable[[SearchEvent], None] = journal.append_search_event
        self.end_trial: Callable[[int, str], None] = self._end_recorded
        self._names: dict[Hashable, str] = {}  # of trials, by task and what they train
        self._seen = 0  # number of trials in it
        self._handled = {event.request for event in journal.history if isinstance(event, RequestHandled)}
        self._interval_s = POLL_S if storage.local else REMOTE_POLL_S
        self._next_poll = float("-inf")
        self._failing = False
        self._started: float | None = None

    def begin(self) -> float:
        """Return when the trials of this session began, by the monotonic clock: at the first call."""
        self._started = time.monotonic() if self._started is None else self._started
        return self._started

    def set_time_budget(self, time_budget_s: float | None) -> None:
        """Record the time budget that a flag of a resume gives, where it is another one than before."""
        if time_budget_s != self.limits.time_budget_s:
            message = "no time budget" if time_budget_s is None else f"a time budget of {time_budget_s:g} s"
            self._record("", "resume", {"limits": {"time_budget_s": time_budget_s}, "message": message})

    def poll(self) -> None:
        """Handle the requests that have come; called again and again, it lists the folder every few seconds.

        Raises:
            StorageError: the journal cannot be written.
        """
        now = time.monotonic()
        if now < self._next_poll:
            return
        self._next_poll = now + self._interval_s
        for request_id in self.waiting:
            if time.monotonic() - now >= POLL_LIMIT_S:
                self._next_poll = 0.0  # the next call handles the others, after the events of lanes that have come
                return
            self._handle_and_delete(request_id)

    def stops(self) -> bool:
        """Return whether the search is to be stopped, after its last trial; other requests wait for the next session.

        Raises:
            StorageError: the journal cannot be written.
        """
        if not self.stop_requested and time.monotonic() >= self._next_poll:
            self._next_poll = time.monotonic() + self._interval_s
            for request_id in self.waiting:
                if isinstance(self._reachable(partial(_read_known, self._storage, request_id)), StopRequest):
                    self._handle_and_delete(request_id)
        return self.stop_requested

    @property
    def waiting(self) -> list[str]:
        """The ids of the requests that were not handled yet; empty while the folder cannot be reached."""
        return self._reachable(lambda: waiting_requests(self._storage)) or []

    def handle_waiting(self) -> None:
        """Handle all requests that have come.

        Raises:
            StorageError: the journal cannot be written.
        """
        for request_id in self.waiting:
            self._handle_and_delete(request_id)

    def _handle_and_delete(self, request_id: str) -> None:
        if request_id in self._handled or self._handle(request_id):
            self._reachable(partial(delete_request, self._storage, request_id))

    def _handle(self, request_id: str) -> bool:
        """Act on a request or refuse it, and record which; return whether its file may be deleted."""
        try:
            request = self._reachable(lambda: read_request(self._storage, request_id))
        except ValueError as error:
            self._record(request_id, "unreadable", {"message": str(error), "accepted": False})
            return True
        if request is None:  # deleted, or the folder cannot be reached now
            return False
        try:
            outcome = self._outcome(request)
        except StorageError:
            raise
        except (UserError, ValueError) as error:
            outcome = {"message": str(error), "accepted": False}
        self._record(request_id, request.action, outcome)
        if isinstance(request, StopRequest):
            self.stop_requested = True
        return True

    def _outcome(self, request: SearchRequest) -> dict[str, Any]:
        """Return the fields of the event of a request, which say what to do; a trial is ended before they are written.

        Raises:
            ValueError: the request is refused.
            UserError: the request is refused.
        """
        if isinstance(request, StopRequest):
            return {"message": "the search is stopped; a resume continues it"}
        if isinstance(request, StopTrialRequest):
            return {"message": self._stop_trial(request.number)}
        if isinstance(request, ExtendRequest):
            limits = self.limits.extension(request)
            raised = (f"{name} is now {new:g}, it was {getattr(self.limits, name):g}" for name, new in limits.items())
            return {"message": "; ".join(raised), "limits": limits}
        return self._added(request)

    def _stop_trial(self, number: int) -> str:
        trial = self._journal.trials.get(number)
        if trial is None:
            raise ValueError(f"there is no trial {number}; {len(self._journal.trials)} trials have started")
        if not trial.status.final:
            self.end_trial(number, ENDED_BY_REQUEST)
        elif trial.message != ENDED_BY_REQUEST:  # else the driver was killed before it recorded this request
            raise ValueError(f"{trial.name} has ended already: {trial.status.replace('_', ' ')}")
        return f"{trial.name} is ended for good"

    def _added(self, request: AddRequest) -> dict[str, Any]:
        if self._max_trials is not None and len(self._journal.trials) >= self._max_trials:
            raise ValueError(budget_rule(self._max_trials))
        added: dict[str, list[dict[str, Value]]] = {}
        refused = []
        for task, params in request.configurations.items():
            self._check(task, params)
            same = self._trained_by(task, params)
            if same is not None:
                refused.append(f"{task}: {same} trains the same configuration")
            elif self._sampler.was_added(task, params):
                refused.append(f"{task}: the configuration was added before")
            else:
                added[task] = [params]
        if not added:
            raise ValueError("; ".join(refused))
        chosen = [f"{task}: {format_params(params)} comes next" for task, (params,) in added.items()]
        return {"message": "; ".join([*chosen, *refused]), "added": added}

    def _trained_by(self, task: str, params: Mapping[str, Value]) -> str | None:
        """Return the name of the first trial that trains a configuration; each trial is looked at once."""
        for trial in islice(list(self._journal.trials.values()), self._seen, None):
            self._names.setdefault((trial.task, self._sampler.identity(trial.task, trial.params)), trial.name)
            self._seen += 1
        return self._names.get((task, self._sampler.identity(task, params)))

    def _record(self, request_id: str, action: Any, fields: Mapping[str, Any]) -> None:
        """Write the event of a request, and apply it."""
        event = RequestHandled(
            time=time.time(), request=request_id, action=action, **({"accepted": True} | dict(fields))
        )
        self.write(event)
        if request_id:
            self._handled.add(request_id)
        self.limits = self.limits.changed(event.limits)
        self._sampler.extend(self.limits.num_samples)
        for task, configurations in event.added.items():
            for params in configurations:
                self._sampler.add(task, params)
        if request_id:
            verdict = "accepted" if event.accepted else "refused"
            logger.info(f"request to {action.replace('_', ' ')} {verdict}: {event.message}")
        self.on_change()

    def _end_recorded(self, number: int, message: str) -> None:
        """End a trial before the search has a controller, which then finds it ended."""
        self._journal.append(TrialEnded(time=time.time(), number=number, status="pruned", message=message))

    def _reachable(self, access: Callable[[], Any]) -> Any:
        """Return the result of an access to the requests' folder; ``None`` while that cannot be reached.

        A search does not end because a bucket does not answer for a while.
        """
        try:
            result = access()
        except StorageError as error:
            if not self._failing:
                logger.warning(f"requests to this search cannot be read for now: {error}")
            self._failing = True
            return None
        self._failing = False
        return result
