"""The files of a run's folder, read without writing anything: job, journal, lock and ``summary.json``."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from gluetune.config import SearchConfig, dump_job, parse_job
from gluetune.config.yaml_files import parse_yaml
from gluetune.errors import ConfigError, StorageError
from gluetune.events import (
    CONFIRMATION_FOLDER,
    JOB_FILE,
    PRETRAINING_FILE,
    SPACE_FILE,
    JournalEvent,
    JournalReader,
    RunInputs,
    SearchLimits,
    SessionStarted,
    TrialRecord,
    TrialStatus,
    load_inputs,
    read_run_file,
)
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.reporting.summary import FILE as SUMMARY_FILE
from gluetune.storage import Storage
from gluetune.storage.lock import is_locked, locked_since
from gluetune.tasks import get_task
from gluetune.tasks.definition import TASKS_FILE, parse_definitions

RunKind = Literal["search", "fine-tuning", "pre-training"]
RunState = Literal[
    "running", "complete", "out_of_time", "out_of_budget", "interrupted", "failed", "unfinished", "unreadable"
]
LOSS = "loss"  # the metric of pre-training: that of held-out text


class TaskLabels(NamedTuple):
    """How a task is shown.

    Attributes:
        title: its name in tables.
        metric: its primary metric.
    """

    title: str
    metric: str


class RunFiles:
    """The files of a run's folder, each read when it is first used.

    Args:
        folder: the run's folder.
        name: the run's name.

    Attributes:
        folder: the run's folder.
        name: the run's name.
    """

    def __init__(self, folder: Storage, name: str) -> None:
        self.folder, self.name = folder, name

    @cached_property
    def kind(self) -> RunKind:
        """What kind of run it is.

        Raises:
            UserError: the search space cannot be read.
        """
        if not self.folder.exists(JOB_FILE):
            return "pre-training"
        space = self.mapping(SPACE_FILE)
        return "search" if space.get("space") or space.get("encoders") else "fine-tuning"

    @cached_property
    def job(self) -> dict[str, Any]:
        """The job file's keys and values.

        Raises:
            UserError: it cannot be read.
        """
        return self.mapping(PRETRAINING_FILE if self.kind == "pre-training" else JOB_FILE)

    @property
    def whole_job(self) -> dict[str, Any]:
        """The job file's keys and values, and the defaults of keys that it lacks because an older version wrote it.

        Raises:
            UserError: it cannot be read.
        """
        data = None if self.kind == "pre-training" else read_run_file(self.folder, JOB_FILE)
        file = self.folder.uri(JOB_FILE)
        try:
            value = None if data is None else parse_yaml(dump_job(parse_job(data, file)).encode(), file).value
        except ConfigError:  # of a newer version
            value = None
        return value if isinstance(value, dict) else self.job

    @cached_property
    def journal(self) -> JournalReader:
        """The events so far.

        Raises:
            StorageError: the journal is damaged, or a newer version of gluetune wrote it.
        """
        return JournalReader(self.folder)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials, in the order of their numbers."""
        return [trial for _, trial in sorted(self.journal.trials.items())]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds; empty where there is none yet, or it is broken."""
        data = self.folder.read(SUMMARY_FILE)
        try:
            values = from_json(data) if data else {}
        except ValueError:
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def confirmation(self) -> ConfirmationSummary | None:
        """What ``summary.json`` says of the confirmation; ``None`` where it says nothing, or cannot be read."""
        try:
            return ConfirmationSummary.model_validate(self.summary.get("confirmation"))
        except ValidationError:
            return None

    @property
    def seeds(self) -> list[TrialRecord]:
        """The trials of the confirmation, in the order of their numbers; also those of one that runs or was killed.

        Raises:
            StorageError: its journal is damaged, or a newer version of gluetune wrote it.
        """
        return [trial for _, trial in sorted(self._confirmation_journal.trials.items())]

    @property
    def confirmation_history(self) -> list[JournalEvent]:
        """All events of the confirmation's journal, in order; empty where there is none.

        Raises:
            StorageError: its journal is damaged, or a newer version of gluetune wrote it.
        """
        return self._confirmation_journal.history

    @cached_property
    def _confirmation_journal(self) -> JournalReader:
        return JournalReader(self.folder.sub(CONFIRMATION_FOLDER))

    @cached_property
    def inputs(self) -> RunInputs | None:
        """Fingerprints of the rows; ``None`` where the run has not loaded them yet."""
        return load_inputs(self.folder)

    @cached_property
    def labels(self) -> dict[str, TaskLabels]:
        """Title and metric of each task, in the order of the job."""
        if self.kind == "pre-training":
            return {"pretraining": TaskLabels("Pre-training", LOSS)}
        data = read_run_file(self.folder, TASKS_FILE)
        own = {} if data is None else parse_definitions(data, self.folder.uri(TASKS_FILE))
        names = dict.fromkeys([*self.job.get("tasks", {}), *(trial.task for trial in self.trials)])
        found = {}
        for name in names:
            try:
                task = own.get(name) or get_task(name)
                found[name] = TaskLabels(task.title, task.primary)
            except ConfigError:  # of a distribution that is not installed here, or rows were not loaded yet
                found[name] = TaskLabels(name, "score")
        return found

    @property
    def limits(self) -> SearchLimits:
        """The limits of a search that hold now.

        Raises:
            UserError: job or journal cannot be read.
        """
        search = self.job.get("search") or {}
        config = SearchConfig(num_samples=search.get("num_samples"), time_budget_s=search.get("time_budget_s"))
        return SearchLimits.of(config, self.journal.history)

    @property
    def updated(self) -> float | None:
        """When the last event was recorded, in seconds since the epoch."""
        return self.journal.events[-1].time if self.journal.events else None

    @cached_property
    def state(self) -> RunState:
        """Whether it runs, or how it has ended; see `RecordedRun`.

        Raises:
            UserError: the journal cannot be read.
        """
        if self.folder.local and is_locked(Path(self.folder.uri())):  # first: what it has recorded is then final
            return "running"
        if self.kind == "pre-training":
            return self._state_of_pretraining(self.trials[0]) if self.trials else self._unended
        status, written = self.summary.get("status"), self.summary.get("written", 0.0)
        if status in ("complete", "out_of_time", "out_of_budget", "interrupted", "failed") and written >= (
            self.updated or 0.0
        ):
            ended: RunState = status
            return ended
        return self._unended

    @property
    def session_now(self) -> float | None:
        """Current time, in seconds since the epoch, where a driver runs the last session of the journal.

        ``None`` where that session's driver has ended: also while another driver, which resumes the run, has not given
        a trial to a lane yet.

        Raises:
            UserError: the journal cannot be read.
        """
        if self.state != "running":
            return None
        began = [event.time for event in self.journal.history if isinstance(event, SessionStarted)]
        locked = locked_since(Path(self.folder.uri())) or 0.0
        return time.time() if began and began[-1] >= locked else None

    def _state_of_pretraining(self, trial: TrialRecord) -> RunState:
        if trial.status is TrialStatus.STOPPED:
            return "interrupted"
        if trial.status is TrialStatus.FINISHED:
            return self._unended if trial.encoder is None else "complete"
        return "failed" if trial.status.final else self._unended

    @property
    def _unended(self) -> RunState:
        return "interrupted" if self.folder.local else "unfinished"

    def mapping(self, file: str) -> dict[str, Any]:
        """Read a YAML file of the folder.

        Raises:
            UserError: it is missing or broken.
        """
        data = read_run_file(self.folder, file)
        if data is None:
            raise StorageError(f"the run {self.name!r} has lost {file}: {self.folder.uri()} does not hold it")
        value = parse_yaml(data, self.folder.uri(file)).value
        return value if isinstance(value, dict) else {}


def is_run(root: Storage, prefix: str = "") -> bool:
    """Whether a folder, or the subfolder with a prefix such as ``first/``, is a run's."""
    return any(root.exists(prefix + file) for file in (JOB_FILE, PRETRAINING_FILE))
