"""Acting on a search from another process: stop it, end a trial, add a configuration, extend it.

Each function checks what is asked for, writes a request into the run's folder and returns. The driver of the search
acts on it within seconds, or the next session does where none runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gluetune.config import (
    MODEL_FIELD,
    SearchSpace,
    StorageConfig,
    TrainingConfig,
    Value,
    completed_configuration,
    contains,
    parse_space,
)
from gluetune.errors import ConfigError, ConfigIssue, StorageError, did_you_mean
from gluetune.events import (
    SPACE_FILE,
    AddRequest,
    ExtendRequest,
    JournalReader,
    RequestHandled,
    SearchRequest,
    StopRequest,
    StopTrialRequest,
    TaskEnded,
    TrialRecord,
    budget_rule,
    format_params,
    ranking,
    read_run_file,
    waiting_requests,
    write_request,
)
from gluetune.reporting.recorded_runs import find_run
from gluetune.reporting.run_files import RunFiles
from gluetune.storage import Storage
from gluetune.storage.lock import is_locked

POLL_S = 0.5
BUCKET_TIMEOUT_S = 120.0
"""Seconds that `SentRequest.wait` waits for a search in a bucket, which does not show whether a driver runs it."""


@dataclass(frozen=True)
class SentRequest:
    """A request that was written into the folder of a run.

    Attributes:
        name: the run's name.
        folder: the run's folder, by path or URI.
        request: the request's id.
        message: what the driver will do.
        running: whether a driver ran the search when the request was written; ``None`` for a bucket, which does not
            show that. Where none did, the next session acts on it: `gluetune.resume`.

    Example:
        >>> sent = gluetune.extend("first", num_samples="+2")
        >>> sent.running, sent.message
        (False, 'num_samples is raised to 4')
    """

    name: str
    folder: str
    request: str
    message: str
    running: bool | None

    def wait(self, timeout_s: float | None = None) -> str:
        """Wait until the driver has acted on the request.

        Args:
            timeout_s: seconds; ``None`` waits as long as a driver runs the search, in a bucket two minutes.

        Returns:
            What the driver did.

        Raises:
            StorageError: the driver refused the request, none runs, or the time is up.
        """
        folder = Storage(self.folder)
        limit = BUCKET_TIMEOUT_S if timeout_s is None and not folder.local else timeout_s
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            alive = not folder.local or is_locked(Path(folder.uri()))
            if self.request not in waiting_requests(folder):
                return self._outcome(folder)
            if not alive:
                raise StorageError(
                    f"no driver runs {self.name!r}: the request stays, and the next session acts on it "
                    f"(gluetune tune --resume {self.name})"
                )
            if deadline is not None and time.monotonic() >= deadline:
                raise StorageError(
                    f"no driver of {self.name!r} has acted within {limit:g} s; the request stays, and the driver or "
                    "the next session acts on it"
                )
            time.sleep(POLL_S)

    def _outcome(self, folder: Storage) -> str:
        for event in JournalReader(folder).history:
            if isinstance(event, RequestHandled) and event.request == self.request:
                if not event.accepted:
                    raise StorageError(f"the driver of {self.name!r} refused the request: {event.message}")
                return event.message
        raise StorageError(f"the request was dropped: {self.name!r} had ended before, and was resumed")


def stop(
    name: str, *, trial: int | str | None = None, storage_path: str | os.PathLike[str] | None = None
) -> SentRequest:
    """Stop a search that another process runs, or end one of its trials.

    The search ends as after Ctrl-C: its trials are recorded as stopped, and `gluetune.resume` continues them. A single
    trial is ended for good, with the status ``pruned``; its best evaluation so far still counts.

    Args:
        name: the run's name, or its folder by path or URI.
        trial: the number or name of a trial; ``None`` for the whole search.
        storage_path: what contains the runs' folders; ``None`` for ``runs``.

    Returns:
        The request. `SentRequest.wait` waits until the driver has acted on it.

    Raises:
        StorageError: there is no such run, or none that could be stopped.
        ConfigError: there is no such trial, or it has ended.

    Example:
        >>> gluetune.stop("first", trial=7)  # doctest: +SKIP
        SentRequest(name='first', ..., message='cola-0007 is ended for good', running=True)
    """
    files = _run(name, storage_path, ("search", "fine-tuning"))
    if trial is not None:
        chosen = _open_trial(files, trial)
        return _send(files, StopTrialRequest(number=chosen.number), f"{chosen.name} is ended for good")
    if files.state not in ("running", "unfinished"):
        state = files.state.replace("_", " ")
        raise StorageError(f"only a running search can be stopped, but no process runs {files.name!r}: it is {state}")
    return _send(files, StopRequest(), "its running trials are stopped; a resume continues them")


def add(
    name: str,
    configuration: Mapping[str, Any],
    *,
    task: str | None = None,
    storage_path: str | os.PathLike[str] | None = None,
) -> SentRequest:
    """Have a search train a configuration next, beyond its planned number of trials.

    Values may lie outside the search space; the search algorithm does not learn from such a trial.

    Args:
        name: the run's name, or its folder by path or URI.
        configuration: values of searched fields, ``model`` among several encoders. The fields that it lacks have the
            values of each task's best trial so far (of that encoder).
        task: the task; ``None`` for all tasks of the search.
        storage_path: what contains the runs' folders; ``None`` for ``runs``.

    Returns:
        The request. Where no process runs the search, `gluetune.resume` trains the configuration.

    Raises:
        ConfigError: a field is not searched, a value breaks its rule, all tasks have such a trial, or the search has
            started all trials of its budget.
        StorageError: there is no such search.

    Example:
        >>> gluetune.add("first", {"learning_rate": 2e-5})  # doctest: +SKIP
        SentRequest(name='first', ..., message='cola: lr 2e-5 · batch 16 comes next', running=True)
    """
    files = _run(name, storage_path, ("search",))
    space, training = _space(files), TrainingConfig.model_validate(files.job.get("training"))
    budget = _budget_trials(files)
    if budget is not None and len(files.trials) >= budget:
        raise ConfigError([ConfigIssue("", budget_rule(budget))])
    chosen: dict[str, dict[str, Value]] = {}
    lines, known = [], []
    for each in _tasks(files, task):
        own = [trial for trial in files.trials if trial.task == each]
        best = _best(own, each, configuration.get(MODEL_FIELD))
        whole = completed_configuration(space, training, configuration, best.params if best else {})
        same = next((trial for trial in own if trial.params == whole), None)
        if same is not None:
            known.append(f"{same.name} has this configuration already ({format_params(whole)})")
            continue
        outside = any(not contains(spec, whole[field]) for field, spec in space.part(whole).space.items())
        chosen[each] = whole
        lines.append(f"{each}: {format_params(whole)} comes next{' (outside the search space)' if outside else ''}")
    if not chosen:
        raise ConfigError([ConfigIssue("", line) for line in known])
    return _send(files, AddRequest(configurations=chosen), "; ".join([*lines, *known]))


def extend(
    name: str,
    *,
    num_samples: int | str | None = None,
    time_budget_s: float | str | None = None,
    storage_path: str | os.PathLike[str] | None = None,
) -> SentRequest:
    """Raise the number of trials or the time budget of a search, also of one that has ended.

    Args:
        name: the run's name, or its folder by path or URI.
        num_samples: number of trials per task; text with a plus sign, such as ``"+20"``, adds to the present number.
        time_budget_s: seconds from the start of a session to its end; text with a plus sign adds to the present budget.
        storage_path: what contains the runs' folders; ``None`` for ``runs``.

    Returns:
        The request. Where no process runs the search, `gluetune.resume` continues it with the new limits.

    Raises:
        ConfigError: neither is given, a limit would not be higher, or the search has none.
        StorageError: there is no such search.

    Example:
        >>> gluetune.extend("first", num_samples="+2").message
        'num_samples is raised to 4'
    """
    files = _run(name, storage_path, ("search",))
    request = _extension(num_samples, time_budget_s)
    limits = files.limits
    raised = limits.extension(request)
    size = _space(files).size
    if "num_samples" in raised and size is not None and (limits.num_samples or 0) >= size:
        rule = f"must not be raised: all {size} configurations of the search space are planned already"
        raise ConfigError([ConfigIssue("num_samples", rule)])
    lines = [f"{limit} is raised to {value:g}" for limit, value in raised.items()]
    budget = _budget_trials(files)
    if budget is not None and len(files.labels) * (raised.get("num_samples") or 0) > budget:
        lines.append(f"search.budget.trials stays {budget}, of all tasks together")
    ended = [event.task for event in files.journal.history if isinstance(event, TaskEnded)]
    if ended and "num_samples" in raised:
        lines.append(f"search.stop_when has ended {', '.join(ended)}, which gets no further trials")
    return _send(files, request, "; ".join(lines))


def _run(name: str, storage_path: str | os.PathLike[str] | None, kinds: tuple[str, ...]) -> RunFiles:
    files = find_run(name, StorageConfig().path if storage_path is None else os.fspath(storage_path))
    if files.kind not in kinds:
        raise StorageError(f"{files.name!r} must be a run of gluetune tune, but its kind is {files.kind}")
    return files


def _send(files: RunFiles, request: SearchRequest, message: str) -> SentRequest:
    state = files.state
    request_id = write_request(files.folder, request)
    running = None if state == "unfinished" else state == "running"
    return SentRequest(files.name, files.folder.uri(), request_id, message, running)


def _space(files: RunFiles) -> SearchSpace:
    data = read_run_file(files.folder, SPACE_FILE)
    if data is None:
        raise StorageError(f"the run {files.name!r} has lost {SPACE_FILE}")
    return parse_space(data, files.folder.uri(SPACE_FILE))


def _budget_trials(files: RunFiles) -> int | None:
    """Return the number of trials that the budget of a search allows; ``None`` for no limit."""
    budget: dict[str, Any] = (files.job.get("search") or {}).get("budget") or {}
    return budget.get("trials")


def _tasks(files: RunFiles, task: str | None) -> list[str]:
    known = list(files.labels)
    if task is not None and task not in known:
        rule = f"must be a task of the search, one of {', '.join(known)}, but got {task!r}{did_you_mean(task, known)}"
        raise ConfigError([ConfigIssue("task", rule)])
    return known if task is None else [task]


def _best(trials: list[TrialRecord], task: str, model: Any) -> TrialRecord | None:
    """Return the best trial of a task so far, of an encoder if one is named."""
    ranked = ranking((trial for trial in trials if model is None or trial.model == model), task)
    return next(iter(ranked), None)


def _open_trial(files: RunFiles, trial: int | str) -> TrialRecord:
    """Return the trial with a number or name, which must not have ended for good."""
    known = {key: each for each in files.trials for key in (str(each.number), each.name)}
    found = known.get(str(trial))
    if found is None:
        count = len(files.trials)
        started = f"the search has started trials 0 to {count - 1}" if count else "the search has started none yet"
        near = did_you_mean(str(trial), [each.name for each in files.trials])
        raise ConfigError(
            [ConfigIssue("trial", f"must be a trial's number or name ({started}), but got {trial}{near}")]
        )
    if found.status.final:
        status = found.status.replace("_", " ")
        raise ConfigError([ConfigIssue("trial", f"must not have ended, but {found.name} is {status} already")])
    return found


def _extension(num_samples: int | str | None, time_budget_s: float | str | None) -> ExtendRequest:
    """Return the request for new limits, of which text with a plus sign adds to the present ones."""
    if num_samples is None and time_budget_s is None:
        raise ConfigError([ConfigIssue("", "num_samples or time_budget_s must be given")])
    fields: dict[str, Any] = {}
    issues = []
    for name, more, given in (
        ("num_samples", "more_samples", num_samples),
        ("time_budget_s", "more_seconds", time_budget_s),
    ):
        if given is None:
            continue
        whole = name == "num_samples"
        try:
            number = int(str(given)) if whole else float(str(given))  # of text: `int` cuts off a fraction
        except ValueError:
            number = 0
        if not 0 < number < float("inf"):
            kind = "a whole number" if whole else "a number"
            issues.append(
                ConfigIssue(name, f"must be {kind} > 0, or one with a plus sign before it, but got {given!r}")
            )
        fields[more if str(given).strip().startswith("+") else name] = number
    if issues:
        raise ConfigError(issues)
    return ExtendRequest(**fields)
