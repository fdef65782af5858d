"""Follows a search and records it in MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from gluetune.config import text_without_passwords
from gluetune.errors import TrackingError
from gluetune.events import Event, SearchPlan, TrialRecord, TrialStarted
from gluetune.events.trials import apply_event
from gluetune.tracking.access import refusal
from gluetune.tracking.champion import Champion, log_champion
from gluetune.tracking.entries import Entry, EventMapper
from gluetune.tracking.registration import FINGERPRINT, SYNTHETIC, Registration
from gluetune.tracking.runs import RunTree, connect, is_permanent, reason, unusable
from gluetune.tracking.state import FILE as TRACKING_FILE
from gluetune.tracking.state import TrackingState, load_state
from gluetune.tracking.uris import check_uri, is_fresh
from gluetune.tracking.views import present, runs_link
from gluetune.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from gluetune.storage import Storage

HOLD_S = 20.0  # seconds that the first write waits for a trial to tell something: until then MLflow's import, three
# seconds' work, and the making of a new store would take the time of lanes that start
GLANCE_S = 5.0  # seconds in which a store that is there takes what is queued; the wait for more is announced
PAUSE_S = 2.0  # seconds between two attempts to send a winner
SHORTEST_S = 5.0  # seconds for the last write, where the patience is spent or the user interrupts


class Tracker:
    """Writes a search's events to MLflow in a thread of its own; the search never waits for the store.

    While the store is away events wait in memory; they are in the journal as well, so that a later session with the
    same ``folder`` writes what this one could not.

    Args:
        plan: the search; ``tracking_uri`` and ``experiment`` say where it is recorded.
        folder: the search's own folder; keeps ``tracking.json``.
        store: the store's address with its password, where it has one; ``plan.tracking_uri`` is without.
        job: the job file's text, kept as the artifact ``job.yaml``.
        history: the journal so far, from its first event: what an earlier session did not write is written now.
        artifacts: folder for artifacts of a new experiment; ``None`` leaves it to the store.
        notify: told in words when the store goes away or comes back.
        patience: seconds that all winners together wait for a store that is away.

    Attributes:
        unsent: names of the winners whose models a store that stayed away did not take.

    Raises:
        TrackingError: the store cannot be reached or used. (The tables of a new SQLite file are made in the thread.)
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
        notify: Callable[[str], None] = print,
        patience: float = 120.0,
    ) -> None:
        self._store = store or plan.tracking_uri
        check_uri(self._store)
        self._plan, self._folder, self._artifacts = plan, folder, artifacts
        fresh = is_fresh(self._store)
        client = None if fresh else connect(self._store, plan.experiment)
        self._state, self._resumed = load_state(folder, plan.tracking_uri, plan.experiment, notify, fresh=fresh)
        self._tree = None if client is None else self._grow(client)
        self._ledger = EventMapper(plan, self._state.started)
        self._prove()
        self._tell = notify
        self.unsent: list[str] = []
        self._patience, self._waiting = patience, False
        self._writer = Writer(self._open, is_permanent, self._notify, HOLD_S)
        self._writer.put(self._ledger.reopening() if self._state.opened else self._ledger.opening(job), events=0)
        self._replay(history)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Queues an event's entries."""
        if not isinstance(event, TrialStarted):
            self._writer.release()
        self._writer.put(self._ledger.entries(event, trial))

    def attach(self, trial: TrialRecord, file: str, content: bytes) -> None:
        """Queues a file as an artifact of a trial's run."""
        self._writer.put([Entry(self._ledger.trial_run(trial), time.time(), files={file: content})], events=0)

    def flush(self, timeout: float = 60.0) -> bool:
        """Waits until everything so far is written, ``timeout`` seconds at most; says whether it is."""
        return self._writer.flush(timeout)

    def log_winner(self, trial: TrialRecord, champion: Champion, *, register: bool = True) -> Registration | None:
        """Logs a winner's model to its trial's run and registers it, once everything before is written.

        A store that is away is waited for; all winners together wait ``patience`` seconds at most.

        Args:
            trial: the winning trial.
            champion: what is logged of it.
            register: whether it becomes a version of the task's registered model.

        Returns:
            Where it is and whether it is champion; ``None`` where the store refused (``notify`` is called with the
            reason) or stayed away (the trial is then in ``unsent``). A later session sends what is missing.
        """
        while True:
            began = time.monotonic()
            try:
                return self._log_winner(trial, champion, register)
            except Exception as error:
                if is_permanent(error) or refusal(error) or isinstance(error, TrackingError):
                    self._notify(f"the winner {trial.name} is not in MLflow: {reason(error)}")
                    return None
                if not self._waits(time.monotonic() - began):
                    self.unsent.append(trial.name)
                    return None

    def _waits(self, spent: float) -> bool:
        """Waits before another attempt at a store that is away; ``False`` where the patience is spent."""
        if not self._waiting:
            self._notify(
                f"waiting up to {self._patience:.0f} s for MLflow to take the record and the winners' models …"
            )
        self._waiting = True
        pause = min(PAUSE_S, self._patience - spent)
        self._patience -= spent + max(0.0, pause)
        if pause <= 0:
            return False
        time.sleep(pause)
        return True

    def _log_winner(self, trial: TrialRecord, champion: Champion, register: bool) -> Registration:
        if not self.flush(min(GLANCE_S, max(0.0, self._patience))) or self._tree is None:
            raise TimeoutError(f"the store at {self._plan.tracking_uri} did not take the events before it")
        run_id = self._tree.run_id(self._ledger.trial_run(trial))
        task = next(task for task in self._plan.tasks if task.task == trial.task)
        tags = {
            "gluetune.search": self._plan.name,
            "gluetune.search_id": self._state.search_id,
            "gluetune.model": self._plan.model,
            "gluetune.data": task.source,
            SYNTHETIC: str(task.synthetic).lower(),
        }
        if selection := task.fingerprints.get("selection"):
            tags[FINGERPRINT] = selection
        return log_champion(self._tree.client, self._tree.experiment, run_id, tags, champion, register)

    def mark_stopped(self) -> None:
        """Marks the search's runs as killed, and writes without rests from now on: there may be seconds left.

        Returns at once; `close` waits for the write.
        """
        self._writer.put(self._ledger.ending(time.time(), "KILLED"), events=0)
        self._writer.hurry()

    def close(self, timeout: float = 60.0, *, complete: bool = True) -> bool:
        """Ends the search's runs and waits for the last write.

        Args:
            timeout: seconds to wait at most.
            complete: whether the search came to its end; else its runs are marked as killed until it is resumed.

        Returns:
            Whether all is written. Where not, ``notify`` was told what is missing and how to mend it.
        """
        self._writer.put(self._ledger.ending(time.time(), "FINISHED" if complete else "KILLED"), events=0)
        away = self._writer.failure is not None
        timeout = min(timeout, SHORTEST_S if away and not complete else max(SHORTEST_S, self._patience))
        written = self._writer.close(timeout)
        if not written:
            why = f" ({reason(self._writer.failure)})" if self._writer.failure else ""
            models = f" and the models of {', '.join(self.unsent)}" if self.unsent else ""
            self._notify(
                f"MLflow at {self._plan.tracking_uri} did not take {self._writer.waiting} events{models} "
                f"within {timeout:.3g} s{why}; the journal has them: resume {self._plan.name!r} to write them"
            )
        return written and not self._writer.refused and not self.unsent

    @property
    def link(self) -> str | None:
        """The page of MLflow's UI that shows the search's trials; ``None`` until the store was open."""
        experiment = self._tree.known_experiment if self._tree else None
        return None if experiment is None else runs_link(self._store, experiment, self._state.search_id)

    def _notify(self, text: str) -> None:
        """Tells a message without the store's password."""
        self._tell(text_without_passwords(text, self._store))

    def _prove(self) -> None:
        """Makes the search's run at once, so that a user who may not write is told before anything starts."""
        if self._tree is None:
            return
        try:
            self._tree.run_id(self._ledger.root)
        except Exception as error:
            if not self._resumed and refusal(error) is not None:
                self._folder.delete(TRACKING_FILE)  # nothing was made that had to be found again
            raise unusable(self._store, error) from error

    def _replay(self, history: Iterable[Event]) -> None:
        trials: dict[int, TrialRecord] = {}
        for number, event in enumerate(history):
            entries = self._ledger.entries(event, apply_event(trials, event))
            if number >= self._state.written:
                self._writer.put(entries)

    def _open(self) -> _Sink:
        if self._tree is None:
            self._tree = self._grow(connect(self._store, self._plan.experiment))
        self._present(self._tree)
        return _Sink(self._tree, self._state, self._folder)

    def _present(self, tree: RunTree) -> None:
        """Sets how MLflow's page shows the search; a user who may not is recorded all the same."""
        try:
            present(tree.client, tree.experiment, self._plan, self._state.search_id, self._state.started)
        except Exception as error:
            if not is_permanent(error) and refusal(error) is None:
                raise

    def _grow(self, client: MlflowClient) -> RunTree:
        return RunTree(client, self._state, self._resumed, self._artifacts)


class _Sink:
    """The run tree, and the count of events that are in it."""

    def __init__(self, tree: RunTree, state: TrackingState, folder: Storage) -> None:
        self._tree, self._state, self._folder = tree, state, folder

    def write(self, entries: Sequence[Entry]) -> None:
        """Writes entries to their runs."""
        self._tree.write(entries)

    def mark(self, events: int) -> None:
        """Keeps the count; first on disk, so that a failure leaves both as they were."""
        after = self._state.model_copy(update={"written": self._state.written + events, "opened": True})
        after.save(self._folder)
        self._state.written, self._state.opened = after.written, True
