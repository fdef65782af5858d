"""Records a search in MLflow while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gluetune.errors import TrackingError
from gluetune.events import Event, SearchPlan, TrialRecord, TrialStarted, apply_event
from gluetune.tracking.champion import Champion, log_champion
from gluetune.tracking.display import runs_link, save_view
from gluetune.tracking.registration import FINGERPRINT, SYNTHETIC_TAG, Registration
from gluetune.tracking.run_updates import RunUpdate
from gluetune.tracking.runs import RunTree, StoreLogger, is_permanent, open_store, reason, unusable_store
from gluetune.tracking.seed_updates import SeedListener, SeedMapper, confirmed_update
from gluetune.tracking.state import FILE as TRACKING_FILE
from gluetune.tracking.state import TrackingState, load_state
from gluetune.tracking.updates import EventMapper
from gluetune.tracking.uris import check_uri, explain_denied, is_fresh
from gluetune.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from gluetune.storage import Storage

logger = logging.getLogger(__name__)

# Seconds before the first write, unless a trial reports earlier: importing MLflow takes three seconds of CPU time,
# and creating the tables of a new store takes more, which would slow the start of the lanes.
START_DELAY_S = 20.0
FLUSH_BEFORE_MODEL_S = 5.0  # a store that answers takes all queued updates in this time; a longer wait is announced
RETRY_PAUSE_S = 2.0  # between two attempts to send a winner's model
MIN_FLUSH_S = 5.0  # for the last write, after `patience` has run out or the user has interrupted the search


class Tracker:
    """Writes a search's events to MLflow from a background thread, so that the search never waits for the store.

    While the store does not answer, events wait in memory. They are in the journal as well: a later session with the
    same ``folder`` writes the events that this session could not write. When the store stops or starts to answer, or
    refuses a write, that is logged.

    Args:
        plan: the search; ``tracking_uri`` and ``experiment`` say where it is recorded.
        folder: the search's folder, which holds ``tracking.json``.
        store: the store's address with its password, where it has one; ``plan.tracking_uri`` is without.
        job: the job file's text, kept as the artifact ``job.yaml``.
        history: the journal so far, from its first event. Events that no earlier session has written are written now.
        artifacts: folder for the artifacts of a new experiment; ``None``: the store's default.
        patience: seconds that all winners together wait for a store that does not answer.

    Attributes:
        unsent: names of the winners whose models could not be sent because the store did not answer.

    Raises:
        TrackingError: the store cannot be reached or used. (The background thread creates the tables of a new SQLite
            file.)
    """

    def __init__(
        self,
        plan: SearchPlan,
        folder: Storage,
        *,
        store: str | None = None,
        job: str = "",
        history: Iterable[Event] = (),
        artifacts: str | None = None,
        patience: float = 120.0,
    ) -> None:
        self._store = store or plan.tracking_uri
        self._log = StoreLogger(logger, self._store)
        check_uri(self._store)
        self._plan, self._folder, self._artifacts = plan, folder, artifacts
        fresh = is_fresh(self._store)
        client = None if fresh else open_store(self._store, plan.experiment)
        self._state, self._resumed = load_state(folder, plan.tracking_uri, plan.experiment, fresh=fresh)
        self._tree = None if client is None else self._make_tree(client)
        self._mapper = EventMapper(plan, self._state.started)
        self._check_write_access()
        self.unsent: list[str] = []
        self._patience, self._waiting = patience, False
        self._writer = Writer(self._open, is_permanent, START_DELAY_S, self._log)
        self._writer.put(
            self._mapper.resume_updates() if self._state.opened else self._mapper.start_updates(job), events=0
        )
        self._replay(history)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Queue the updates that follow from an event."""
        if not isinstance(event, TrialStarted):
            self._writer.start()
        self._writer.put(self._mapper.updates(event, trial))

    def confirmation(self, trials: Mapping[int, TrialRecord], history: Iterable[Event]) -> SeedListener:
        """Return a listener that records the events of the search's confirmation, as runs of the level *seed*.

        Args:
            trials: the search's trials, by number.
            history: the confirmation's events so far.
        """
        return SeedListener(SeedMapper(self._plan, self._state.started, trials), self._writer, history)

    def log_confirmed(self, trial: TrialRecord, values: Mapping[str, float | None], time: float) -> None:
        """Queue what fresh seeds say of a trial's configuration, as metrics of its run.

        Args:
            trial: the search's trial.
            values: statistics by name, such as ``mean``.
            time: when the last seed was scored, in seconds since the epoch.
        """
        self._writer.put([confirmed_update(self._mapper.trial_run(trial), values, time)], events=0)

    def log_artifact(self, trial: TrialRecord, file: str, content: bytes) -> None:
        """Queue a file as an artifact of a trial's run."""
        self._writer.put([RunUpdate(self._mapper.trial_run(trial), time.time(), files={file: content})], events=0)

    def log_task_artifact(self, task: str, file: str, content: bytes) -> None:
        """Queue a file as an artifact of a task's run."""
        self._writer.put([RunUpdate(self._mapper.task_run(task), time.time(), files={file: content})], events=0)

    def describe_result(self, sentences: Iterable[str]) -> None:
        """Set what `close` adds to the description of the search's run.

        Args:
            sentences: the result in words.
        """
        self._mapper.result = tuple(sentences)

    def log_search_artifact(self, file: str, content: bytes) -> None:
        """Queue a file as an artifact of the search's run."""
        self._writer.put([RunUpdate(self._mapper.root, time.time(), files={file: content})], events=0)

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait at most ``timeout`` seconds until all queued updates are written; return whether they are."""
        return self._writer.flush(timeout)

    def log_winner(self, trial: TrialRecord, champion: Champion, *, register: bool = True) -> Registration | None:
        """Log a winner's model to its trial's run and register it, after all earlier updates are written.

        If the store does not answer, this call waits; all winners together wait at most ``patience`` seconds.

        Args:
            trial: the winning trial.
            champion: the model's folder, scores and settings.
            register: whether the model becomes a version of the task's registered model.

        Returns:
            The model's address, and whether it is champion. ``None`` if the store refused the model (the reason
            is logged) or did not answer in time (the trial is then in ``unsent``); a later session sends
            what is missing.
        """
        while True:
            began = time.monotonic()
            try:
                return self._log_winner(trial, champion, register)
            except Exception as error:
                if is_permanent(error) or explain_denied(error) or isinstance(error, TrackingError):
                    self._log.warning(f"the winner {trial.name} is not in MLflow: {reason(error)}")
                    return None
                if not self._wait_to_retry(time.monotonic() - began):
                    self.unsent.append(trial.name)
                    return None

    def _wait_to_retry(self, spent: float) -> bool:
        """Wait before another attempt; return ``False`` when ``patience`` has run out."""
        if not self._waiting:
            self._log.info(
                f"waiting up to {self._patience:.0f} s for MLflow to take the record and the winners' models …"
            )
        self._waiting = True
        pause = min(RETRY_PAUSE_S, self._patience - spent)
        self._patience -= spent + max(0.0, pause)
        if pause <= 0:
            return False
        time.sleep(pause)
        return True

    def _log_winner(self, trial: TrialRecord, champion: Champion, register: bool) -> Registration:
        if not self.flush(min(FLUSH_BEFORE_MODEL_S, max(0.0, self._patience))) or self._tree is None:
            raise TimeoutError(f"the store at {self._plan.tracking_uri} did not take the events before it")
        run_id = self._tree.run_id(self._mapper.trial_run(trial))
        task = next(task for task in self._plan.tasks if task.task == trial.task)
        tags = {
            "gluetune.search": self._plan.name,
            "gluetune.search_id": self._state.search_id,
            "gluetune.model": trial.model or self._plan.model,
            "gluetune.data": task.source,
            SYNTHETIC_TAG: str(task.synthetic).lower(),
        }
        if selection := task.fingerprints.get("selection"):
            tags[FINGERPRINT] = selection
        return log_champion(self._tree.client, self._tree.experiment, run_id, tags, champion, register)

    def mark_stopped(self) -> None:
        """Mark the search's runs as killed and stop throttling the writer, because little time may be left.

        Returns at once; `close` waits until the updates are written.
        """
        self._writer.put(self._mapper.finish_updates(time.time(), "KILLED"), events=0)
        self._writer.stop_throttling()

    def close(self, timeout: float = 60.0, *, complete: bool = True) -> bool:
        """Set the final status of the search's runs and wait for the last write.

        Args:
            timeout: seconds to wait at most.
            complete: whether the search has ended; otherwise its runs have the status KILLED until it is resumed.

        Returns:
            Whether everything is written. Otherwise what is missing has been logged.
        """
        self._writer.put(self._mapper.finish_updates(time.time(), "FINISHED" if complete else "KILLED"), events=0)
        away = self._writer.failure is not None
        timeout = min(timeout, MIN_FLUSH_S if away and not complete else max(MIN_FLUSH_S, self._patience))
        written = self._writer.close(timeout)
        if not written:
            why = f" ({reason(self._writer.failure)})" if self._writer.failure else ""
            models = f" and the models of {', '.join(self.unsent)}" if self.unsent else ""
            self._log.warning(
                f"MLflow at {self._plan.tracking_uri} did not take {self._writer.waiting} events{models} "
                f"within {timeout:.3g} s{why}; the journal has them: resume {self._plan.name!r} to write them"
            )
        return written and not self._writer.refused and not self.unsent

    @property
    def link(self) -> str | None:
        """Address of the page of MLflow's UI that lists the search's trials; ``None`` before the store is open."""
        experiment = self._tree.known_experiment if self._tree else None
        return None if experiment is None else runs_link(self._store, experiment, self._state.search_id)

    def _check_write_access(self) -> None:
        """Create the search's run at once, so that a missing permission is an error before any trial starts."""
        if self._tree is None:
            return
        try:
            self._tree.run_id(self._mapper.root)
        except Exception as error:
            if not self._resumed and explain_denied(error) is not None:
                self._folder.delete(TRACKING_FILE)  # no run exists that a later session must find
            raise unusable_store(self._store, error) from error

    def _replay(self, history: Iterable[Event]) -> None:
        trials: dict[int, TrialRecord] = {}
        for number, event in enumerate(history):
            updates = self._mapper.updates(event, apply_event(trials, event))
            if number >= self._state.written:
                self._writer.put(updates)

    def _open(self) -> _RunTreeBackend:
        if self._tree is None:
            self._tree = self._make_tree(open_store(self._store, self._plan.experiment))
        self._save_view(self._tree)
        return _RunTreeBackend(self._tree, self._state, self._folder)

    def _save_view(self, tree: RunTree) -> None:
        """Save the search's view with the experiment, if the user has the permission for it."""
        try:
            save_view(tree.client, tree.experiment, self._plan, self._state.search_id, self._state.started)
        except Exception as error:
            if not is_permanent(error) and explain_denied(error) is None:
                raise

    def _make_tree(self, client: MlflowClient) -> RunTree:
        return RunTree(client, self._state, self._resumed, self._artifacts)


class _RunTreeBackend:
    """Writes updates to the run tree, and saves how many journal events it holds."""

    def __init__(self, tree: RunTree, state: TrackingState, folder: Storage) -> None:
        self._tree, self._state, self._folder = tree, state, folder

    def write(self, updates: Sequence[RunUpdate]) -> None:
        """Write updates to their runs."""
        self._tree.write(updates)

    def commit_offset(self, events: int) -> None:
        """Add to the number of written events, first on disk: after a failure, memory and disk still agree."""
        after = self._state.model_copy(update={"written": self._state.written + events, "opened": True})
        after.save(self._folder)
        self._state.written, self._state.opened = after.written, True
