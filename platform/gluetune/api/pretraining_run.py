"""One pre-training run, from its job file to a ``from_pretrained`` folder."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from gluetune.api import places
from gluetune.api.frontend import Frontend
from gluetune.api.new_runs import new_folder, open_folder
from gluetune.api.places import (
    absolute_path,
    absolute_places,
    check_job_lasts,
    check_lasting,
    folder_or_name,
    in_submitted_job,
    with_values,
)
from gluetune.api.session import check_inputs, read_files, storage_path
from gluetune.cluster import Resources, resolve_worker_resources, take_snapshot
from gluetune.config import LanesConfig, Override, Value, without_password
from gluetune.events import (
    LANE_FILES,
    PRETRAINING_FILE,
    EncoderSaved,
    Journal,
    RunInputs,
    SearchPlan,
    SplitInput,
    TaskPlan,
    TrialRecord,
    TrialStarted,
    TrialStatus,
    check_journal_schema,
    trial_folder,
)
from gluetune.lanes import LanePool
from gluetune.lanes.pool import SHUTDOWN_TIMEOUT_S
from gluetune.lanes.prestart import lane_spec
from gluetune.pretraining import (
    PretrainingData,
    PretrainJob,
    dump_pretrain_job,
    load_pretrain_job,
    parse_pretrain_job,
    prepare_job,
    save_encoder,
    summary_metrics,
)
from gluetune.pretraining.corpus import first_sentence_ids
from gluetune.pretraining.encoder import count_weights
from gluetune.reporting import ProgressLog, print_metrics, print_plan
from gluetune.search.single import SingleTrialRunner
from gluetune.storage import Storage
from gluetune.tracking import Tracker, check_store, ui_command
from gluetune.training import Checkpoints
from gluetune.workloads.pretraining import Pretraining

TASK, TITLE = "pretraining", "Pre-training"
UNFILED = "pretrain"  # what runs without a job file are called
ENCODER = "encoder"  # folder of the result
MAX_FAILURES = 2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainSession:
    """One run of the driver over a pre-training run.

    Attributes:
        name: the run's name.
        job: its job.
        storage: its folder, ``<storage.path>/<name>``.
        log: the local file that the output of Ray and other libraries may go to.
        unlock: lets another driver take the folder; without a call the end of the process does.
    """

    name: str
    job: PretrainJob
    storage: Storage
    log: Path
    unlock: Callable[[], None] = lambda: None


def new_pretraining(
    job_file: str | None, overrides: Sequence[Override] = (), *, starts: bool = True
) -> PretrainSession:
    """Prepare the folder of a new run.

    Args:
        job_file: its job file; ``None`` for the defaults.
        overrides: values on top of the file.
        starts: whether the run starts; else its folder is checked, but neither made nor locked.

    Raises:
        UserError: the values, the job file or the folder cannot be used.
    """
    job = load_pretrain_job(job_file, overrides)
    check_job_lasts(job.storage, job.tracking)
    kind = Path(job_file).stem if job_file else UNFILED
    tracking = job.tracking.model_copy(update={"experiment": job.tracking.experiment or kind})
    job = _absolute(job.model_copy(update={"tracking": tracking}))
    name, folder = new_folder(Storage(job.storage.path), job.name, kind, starts=starts)
    return PretrainSession(name, job.model_copy(update={"name": name}), *folder)


def resumed_pretraining(name: str, overrides: Sequence[Override] = (), *, starts: bool = True) -> PretrainSession:
    """Open an earlier run.

    Args:
        name: its name.
        overrides: what may be different this time; ``storage.path`` says where it lies.
        starts: whether the run continues; else its folder is checked, but not locked.

    Raises:
        UserError: there is no such run, or its folder cannot be used.
    """
    path = storage_path(overrides)
    check_lasting([("storage.path (--storage-path)", path)])
    root = Storage(path)
    (text,) = read_files(root, name, PRETRAINING_FILE)
    found = Override("storage.path", root.uri())  # the folder may have been moved
    job = parse_pretrain_job(text, root.uri(f"{name}/{PRETRAINING_FILE}"), [*overrides, found])
    if any(override.path == "tracking.uri" for override in overrides):
        job = _absolute(job)
    check_job_lasts(job.storage, job.tracking)
    check_journal_schema(root.sub(name))
    return PretrainSession(name, job, *open_folder(root, name, starts=starts))


def _absolute(job: PretrainJob) -> PretrainJob:
    """Return the job with absolute paths, so that it can be resumed from any folder."""
    if in_submitted_job():
        return job
    text, tokenizer = job.text, job.tokenizer
    text = with_values(
        text,
        path=absolute_path(text.path),
        validation_path=absolute_path(text.validation_path),
        cache_dir=absolute_path(text.cache_dir),
        dataset=folder_or_name(text.dataset),
    )
    tokenizer = with_values(tokenizer, name_or_path=folder_or_name(tokenizer.name_or_path))
    return job.model_copy(update={"text": text, "tokenizer": tokenizer, **absolute_places(job.storage, job.tracking)})


def show_pretraining_plan(session: PretrainSession, frontend: Frontend, *, accept_inputs: bool = False) -> None:
    """Load everything and print the plan; start no Ray and leave nothing."""
    check_store(places.tracking_uri(session.job), str(session.job.tracking.experiment), write=False)
    data, _ = prepare_job(session.job, logger.info)
    check_inputs(session.storage, pretraining_inputs(data), name=session.name, accept=accept_inputs, dry_run=True)
    lanes = session.job.lanes
    words = f"{lanes.cpus_per_worker} CPU, {lanes.gpus_per_worker} GPU"
    print_plan(_plan(session, data, words), frontend.console)


def run_pretraining(
    session: PretrainSession,
    address: str | None,
    frontend: Frontend,
    *,
    accept_inputs: bool = False,
) -> TrialRecord | None:
    """Run a session on the connected cluster until it ends, fails or is stopped.

    Args:
        session: what to run.
        address: the cluster's, as it was given.
        frontend: the program around the run.
        accept_inputs: whether a run whose text has changed starts anew.

    Returns:
        The run's trial; ``None`` where it was stopped before it began.

    Raises:
        UserError: text, tokenizer or cluster cannot be used.
    """
    data, tokenizer = prepare_job(session.job, logger.info)
    check_inputs(session.storage, pretraining_inputs(data), name=session.name, accept=accept_inputs)
    lanes = session.job.lanes.model_copy(update={"max_concurrent_trials": 1})
    resources = resolve_worker_resources(lanes, take_snapshot())
    return _Run(session, frontend, data, tokenizer, lanes, resources, address).run()


@dataclass
class _Run:
    """One session on a connected cluster."""

    session: PretrainSession
    frontend: Frontend
    data: PretrainingData
    tokenizer: PreTrainedTokenizerBase
    lanes: LanesConfig
    resources: Resources
    address: str | None

    def run(self) -> TrialRecord | None:
        """Train, record and report."""
        session, out = self.session, self.frontend.console
        journal, plan = Journal(session.storage), _plan(session, self.data, str(self.resources))
        print_plan(plan, out)
        text = dump_pretrain_job(session.job)
        self.frontend.begin()
        tracker = Tracker(
            plan,
            session.storage,
            store=places.tracking_uri(session.job),
            job=text,
            history=journal.events,
            artifacts=places.artifacts(session.job.storage, session.job.tracking),
        )
        pretraining_inputs(self.data).save(session.storage)
        session.storage.write(PRETRAINING_FILE, text.encode())
        self.frontend.announce(self._resume_command())
        status = TrialStatus.STOPPED
        try:
            status = self._train(journal, tracker)
        except KeyboardInterrupt:  # while the encoder is saved
            pass
        finally:
            tracker.close(complete=status is TrialStatus.FINISHED)
            if 0 in journal.trials:
                self._close(journal.trials[0])
        return journal.trials.get(0)

    def _train(self, journal: Journal, tracker: Tracker) -> TrialStatus:
        pool = LanePool()
        pool.configure(lane_spec(self.lanes, self.resources, self.session.storage, MAX_FAILURES), 1)
        pool.set_workload(Pretraining(ray.put(self.data), self.session.job))
        with ProgressLog(self.frontend.console) as log:
            log.note("starting the lane: it loads its libraries once …")
            run = SingleTrialRunner(pool, journal, [tracker, log], tracker.mark_stopped)
            status = TrialStatus.STOPPED
            try:
                trial = run.run(_start(self.session.job))
                status = trial.status
            finally:
                pool.shutdown(0.0 if status is TrialStatus.FINISHED else SHUTDOWN_TIMEOUT_S)
                self.session.storage.delete(LANE_FILES)
            if trial.status is TrialStatus.FINISHED and trial.encoder is None:
                run.record(self._save(trial))
                self.session.storage.delete(trial_folder(trial))
        return trial.status

    def _save(self, trial: TrialRecord) -> EncoderSaved:
        """Write the encoder as a ``from_pretrained`` folder."""
        storage = self.session.storage
        weights = Checkpoints(storage, trial_folder(trial)).load_best()
        assert weights is not None  # saved before the run was recorded as finished
        with tempfile.TemporaryDirectory() as local:
            save_encoder(local, weights, self.session.job, self.tokenizer)
            storage.upload(local, ENCODER)
        return EncoderSaved(time=time.time(), number=trial.number, folder=storage.uri(ENCODER))

    def _close(self, trial: TrialRecord) -> None:
        session, out = self.session, self.frontend.console
        if trial.pretraining:
            rows = {
                "train": len(first_sentence_ids(self.data.train)),
                "validation": len(first_sentence_ids(self.data.held_out)),
            }
            print_metrics(
                summary_metrics(trial.pretraining),
                rows,
                session.job.published,
                out,
                source=self.data.source,
                synthetic=self.data.synthetic,
            )
        if trial.encoder is not None:
            out.print(Text.assemble("\n", ("encoder", "bold"), f"    {trial.encoder}"), soft_wrap=True)
        out.print(
            Text.assemble(("MLflow UI", "bold"), f"  {ui_command(places.tracking_uri(session.job))}"), soft_wrap=True
        )
        if trial.message:
            logger.error(f"{trial.name} {trial.status.replace('_', ' ')}: {trial.message}")
        if not trial.status.final or (trial.status is TrialStatus.FINISHED and trial.encoder is None):
            out.print("\nstopped; resume with:", highlight=False)
            out.print(Text(self._resume_command(), style="bold"), soft_wrap=True)

    def _resume_command(self) -> str:
        return self.frontend.resume_command(self.session.name, self.session.job.storage, self.address)


def _start(job: PretrainJob) -> TrialStarted:
    training: dict[str, Value | None] = {**job.model.model_dump(), **job.training.model_dump()}
    return TrialStarted(time=time.time(), number=0, task=TASK, params={}, training=training, seed=job.seed)


def _plan(session: PretrainSession, data: PretrainingData, resources: str) -> SearchPlan:
    job, sizes = session.job, session.job.model
    words = f"BERT, {sizes.num_hidden_layers} layers, {sizes.hidden_size} wide, {sizes.num_attention_heads} heads"
    guessing = math.log(data.tokens.vocab_size) + math.log(2)
    task = TaskPlan(
        TASK,
        TITLE,
        data.source,
        len(first_sentence_ids(data.train)),
        len(first_sentence_ids(data.held_out)),
        {},
        "loss",
        guessing,
        1,
        synthetic=data.synthetic,
        fingerprints=dict(data.fingerprints),
    )
    return SearchPlan(
        name=session.name,
        seed=job.seed,
        model=words,
        parameters=count_weights(job, data.tokens),
        space="",
        space_source="",
        fields=(),
        algorithm="",
        scheduler="",
        lanes=1,
        workers_per_lane=job.lanes.workers_per_lane,
        resources=resources,
        folder=session.storage.uri(),
        tracking_uri=without_password(places.tracking_uri(session.job)),
        experiment=str(job.tracking.experiment),
        tasks=(task,),
        fixed=job.training.model_dump(exclude_unset=True),
    )


def pretraining_inputs(data: PretrainingData) -> RunInputs:
    """Fingerprints of the text and its tokens, for the run's record; documents count as rows."""
    whole = data.fingerprints.get("train", "")  # of which the held-out text is a part where no other is given
    splits = {
        name: SplitInput(rows=len(corpus), sha256=data.fingerprints.get(name, whole), tokens=corpus.fingerprint())
        for name, corpus in data.parts.items()
    }
    return RunInputs(tasks={TASK: splits})
