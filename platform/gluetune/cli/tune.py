"""A search from its session: load, connect, search, record, report."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

import ray

from gluetune.cli.session import JOB_FILE, Session
from gluetune.cli.terminal import Terminal
from gluetune.errors import UserError
from gluetune.records import Journal, SearchPlan, TrialRecord
from gluetune.report import LiveTable, print_closing, print_opening, summarise, write_summary
from gluetune.schedulers import TaskPruners, max_epochs
from gluetune.search import Ending, Prepared, Search, connect, make_plan, prepare, share_out
from gluetune.search.cluster import Resources
from gluetune.search.winners import winner_folder, winners
from gluetune.searchers import Dealer
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.tracking import Champion, Tracker, ui_command


def show_plan(session: Session, terminal: Terminal) -> None:
    """Loads everything and prints the plan, and starts nothing."""
    prepared = prepare(session.job, terminal.note)
    lanes = session.job.lanes
    words = f"{lanes.cpus_per_worker} CPU, {lanes.gpus_per_worker} GPU"
    print_opening(_plan(session, prepared, _dealer(session), words), terminal.out)


def tune(session: Session, address: str | None, terminal: Terminal) -> bool:
    """Runs a session to its end; whether it was not interrupted.

    Raises:
        UserError: data, model, cluster or tracking store cannot be used.
    """
    terminal.note("loading the encoder and the data …")
    prepared = prepare(session.job, terminal.note)
    terminal.note(f"joining Ray … (its output, and everybody else's, goes to {session.log})")
    where = connect(address)
    try:
        run = _Run(session, terminal, prepared, share_out(session.job.lanes))
        terminal.note(f"running on {where}")
        return run.to_the_end()
    finally:
        ray.shutdown()


@dataclass
class _Run:
    """One session on a connected cluster."""

    session: Session
    terminal: Terminal
    prepared: Prepared
    resources: Resources

    def to_the_end(self) -> bool:
        """Searches, records and reports; whether it was not interrupted."""
        session, out = self.session, self.terminal.out
        journal, dealer = Journal(session.storage), _dealer(session)
        plan = _plan(session, self.prepared, dealer, str(self.resources))
        print_opening(plan, out)
        live = LiveTable(plan, out, journal.trials)
        tracker = Tracker(plan, session.storage, job=(session.storage.read(JOB_FILE) or b"").decode(),
                          history=journal.events, artifacts=_artifacts(session), notify=self.terminal.note)
        search = Search(session.job, session.space, session.storage, journal, self.prepared, self.resources, dealer,
                        _pruners(session))
        started = time.time()
        try:
            with live:
                live.note(f"starting {plan.lanes} lanes: each loads its libraries once …")
                ending = search.run([tracker, live])
            models = self._register(tracker, journal)
        except (UserError, KeyboardInterrupt):
            tracker.close(complete=False)
            self._summarise(plan, journal, started, {}, complete=False)
            raise
        interrupted = ending is Ending.INTERRUPTED
        tracker.close(complete=not interrupted)
        self._summarise(plan, journal, started, models, complete=not interrupted)
        if ending is not Ending.COMPLETE:
            out.print(f"\n{ending.value}; go on with: [bold]{_resume_command(session)}[/]", highlight=False,
                      soft_wrap=True)
        return not interrupted

    def _register(self, tracker: Tracker, journal: Journal) -> dict[str, str]:
        """Logs the winners' models to MLflow; their URIs by task."""
        register = self.session.job.tracking.register_models
        scored = winners(journal.trials.values(), self.session.job.tasks)
        uris = {trial.task: tracker.log_winner(trial, self._champion(trial, local), register=register)
                for trial, local in _local_folders(self.session.storage, scored)}
        return {task: uri for task, uri in uris.items() if uri is not None}

    def _champion(self, trial: TrialRecord, folder: str) -> Champion:
        dev_scores = trial.winner.scores if trial.winner else {}
        return Champion(get_task(trial.task), trial.name, folder, trial.best_score or 0.0, dev_scores,
                        self.prepared.samples[trial.task], self.session.job.data.max_seq_length)

    def _summarise(self, plan: SearchPlan, journal: Journal, started: float, models: dict[str, str], *,
                   complete: bool) -> None:
        summary = summarise(plan, journal.trials.values(), status="complete" if complete else "interrupted",
                            session_started=started, now=time.time(), models=models)
        file = write_summary(self.session.storage, summary)
        print_closing(summary, self.terminal.out, ui=ui_command(plan.tracking_uri), summary_file=file)


def _dealer(session: Session) -> Dealer:
    job = session.job
    return Dealer(job.tasks, session.space, job.search.algorithm, job.training, job.seed,
                  job.search.num_samples)


def _pruners(session: Session) -> TaskPruners:
    job = session.job
    return TaskPruners(job.tasks, job.search.scheduler, max_epochs(job.training, session.space), job.seed)


def _plan(session: Session, prepared: Prepared, dealer: Dealer, resources: str) -> SearchPlan:
    uri = session.job.tracking.uri or f"sqlite:///{_home(session).uri('mlflow.db')}"
    return make_plan(session.name, session.job, session.space, prepared, dealer, session.storage, uri, resources)


def _home(session: Session) -> Storage:
    """Where the default MLflow store lies: beside the searches, or in ``runs`` here when they are in a bucket."""
    root = Storage(session.job.storage.path)
    return root if root.local else Storage("runs")


def _artifacts(session: Session) -> str | None:
    """Where the default MLflow store keeps its artifacts; another store knows itself."""
    return None if session.job.tracking.uri else _home(session).uri("mlartifacts")


def _local_folders(storage: Storage, scored: list[TrialRecord]) -> Iterator[tuple[TrialRecord, str]]:
    """Winners with their ``save_pretrained`` folders on this machine."""
    for trial in scored:
        path = winner_folder(trial.task)
        if storage.local:
            yield trial, storage.uri(path)
            continue
        with tempfile.TemporaryDirectory() as local:
            storage.download(path, local)
            yield trial, local


def _resume_command(session: Session) -> str:
    return shlex.join(["python", "jobs/tune_glue.py", "--resume", session.name,
                       "--storage-path", session.job.storage.path])
