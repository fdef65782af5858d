"""One pre-training run, from its job file to a ``from_pretrained`` folder."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ray
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from gluetune.cli import places
from gluetune.cli.absolute import absolute_path, absolute_places, folder_or_name, with_values
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.inputs import check_inputs
from gluetune.cli.session import check_empty, open_folder, read_files
from gluetune.cli.submitted import check_job_lasts, check_lasting, in_submitted_job
from gluetune.cli.terminal import Terminal, announce_resume
from gluetune.cluster import Resources, resolve_worker_resources
from gluetune.config import LanesConfig, Override, StorageConfig, Value, without_password
from gluetune.events import (
    LANE_FILES,
    PRETRAINING_FILE,
    Evaluated,
    Journal,
    RunInputs,
    SearchPlan,
    SplitInput,
    TaskPlan,
    TrialRecord,
    TrialStarted,
    TrialStatus,
    WinnerEvaluated,
    trial_folder,
)
from gluetune.lanes import LaneSpec
from gluetune.pretraining import (
    PretrainingData,
    PretrainJob,
    dump_pretrain_job,
    figures,
    load_pretrain_job,
    parse_pretrain_job,
    prepare_job,
    save_encoder,
)
from gluetune.pretraining.encoder import count_weights
from gluetune.pretraining.pairs import firsts
from gluetune.reporting import ProgressLog, print_metrics, print_plan
from gluetune.search.single import SingleTrialRunner
from gluetune.storage import Storage
from gluetune.supervisor import report
from gluetune.tracking import Tracker, check_store, ui_command
from gluetune.training import Checkpoints
from gluetune.workloads.pretraining import Pretraining, to_pretraining_evaluation

TASK, TITLE = "pretraining", "Pre-training"
ENCODER = "encoder"  # folder of the result
MAX_FAILURES = 2


@dataclass(frozen=True)
class PretrainSession:
    """One session over a pre-training run; attributes as those of `gluetune.cli.session.Session`."""

    name: str
    job: PretrainJob
    storage: Storage
    log: Path


def open_run(arguments: ParsedArguments) -> PretrainSession:
    """Prepares the folder of a new run, or opens an earlier one.

    Raises:
        UserError: the arguments, the job file or the folder cannot be used.
    """
    starts = not arguments.dry_run
    if arguments.resume is not None:
        paths = [override.value for override in arguments.overrides if override.path == "storage.path"]
        path = paths[-1] if paths else StorageConfig().path
        check_lasting([("storage.path (--storage-path)", path)])
        root = Storage(path)
        (text,) = read_files(root, arguments.resume, PRETRAINING_FILE)
        found = Override("storage.path", root.uri())  # the folder may have been moved
        job = parse_pretrain_job(
            text, root.uri(f"{arguments.resume}/{PRETRAINING_FILE}"), [*arguments.overrides, found]
        )
        if any(override.path == "tracking.uri" for override in arguments.overrides):
            job = _absolute(job)
        check_job_lasts(job.storage, job.tracking)
        session = PretrainSession(arguments.resume, job, *open_folder(root, arguments.resume, starts=starts))
        report(resume=places.resume_command(session.name, job.storage, arguments.address))
        return session
    job = load_pretrain_job(str(arguments.config), arguments.overrides)
    check_job_lasts(job.storage, job.tracking)
    kind = Path(str(arguments.config)).stem
    name = job.name or f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}"
    tracking = job.tracking.model_copy(update={"experiment": job.tracking.experiment or kind})
    job = _absolute(job.model_copy(update={"name": name, "tracking": tracking}))
    session = PretrainSession(name, job, *open_folder(Storage(job.storage.path), name, starts=starts))
    check_empty(session.storage, name)
    return session


def _absolute(job: PretrainJob) -> PretrainJob:
    """The job with absolute paths, so that it can be resumed from any folder."""
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


def show_plan(session: PretrainSession, terminal: Terminal, *, accept_inputs: bool = False) -> None:
    """Loads everything and prints the plan; starts no Ray and leaves nothing."""
    check_store(_tracking_uri(session), str(session.job.tracking.experiment), write=False)
    data, _ = prepare_job(session.job, terminal.note)
    check_inputs(
        session.storage, pretraining_inputs(data), terminal, name=session.name, accept=accept_inputs, dry_run=True
    )
    lanes = session.job.lanes
    words = f"{lanes.cpus_per_worker} CPU, {lanes.gpus_per_worker} GPU"
    print_plan(_plan(session, data, words), terminal.out)


def pretrain(
    session: PretrainSession,
    address: str | None,
    terminal: Terminal,
    *,
    accept_inputs: bool = False,
) -> TrialStatus:
    """Runs a session on the connected cluster to its end, or until somebody interrupts, or as long as it goes well.

    Raises:
        UserError: text, tokenizer or cluster cannot be used.
    """
    data, tokenizer = prepare_job(session.job, terminal.note)
    check_inputs(session.storage, pretraining_inputs(data), terminal, name=session.name, accept=accept_inputs)
    lanes = session.job.lanes.model_copy(update={"max_concurrent_trials": 1})
    return _Run(session, terminal, data, tokenizer, lanes, resolve_worker_resources(lanes), address).to_the_end()


@dataclass
class _Run:
    """One session on a connected cluster."""

    session: PretrainSession
    terminal: Terminal
    data: PretrainingData
    tokenizer: PreTrainedTokenizerBase
    lanes: LanesConfig
    resources: Resources
    address: str | None

    def to_the_end(self) -> TrialStatus:
        """Trains, records and reports."""
        session, out = self.session, self.terminal.out
        journal, plan = Journal(session.storage), _plan(session, self.data, str(self.resources))
        print_plan(plan, out)
        text = dump_pretrain_job(session.job)
        report(starting=False)
        tracker = Tracker(
            plan,
            session.storage,
            store=_tracking_uri(session),
            job=text,
            history=journal.events,
            notify=self.terminal.note,
            artifacts=places.artifacts(session.job.storage, session.job.tracking),
        )
        pretraining_inputs(self.data).save(session.storage)
        session.storage.write(PRETRAINING_FILE, text.encode())
        announce_resume(self._resume_command(), self.terminal)
        status = TrialStatus.STOPPED
        try:
            status = self._train(journal, tracker)
        except KeyboardInterrupt:  # while the encoder is saved
            pass
        finally:
            tracker.close(complete=status is TrialStatus.FINISHED)
            if 0 in journal.trials:
                self._close(journal.trials[0])
        return status

    def _train(self, journal: Journal, tracker: Tracker) -> TrialStatus:
        spec = LaneSpec(
            self.lanes.workers_per_lane,
            self.resources.cpus,
            self.resources.gpus,
            self.lanes.placement_strategy,
            Pretraining(ray.put(self.data), self.session.job),
            self.session.storage,
            MAX_FAILURES,
        )
        with ProgressLog(self.terminal.out, line) as log:
            log.note("starting the lane: it loads its libraries once …")
            run = SingleTrialRunner(spec, journal, [tracker, log], tracker.mark_stopped)
            trial = run.carry_out(_start(self.session.job))
            self.session.storage.delete(LANE_FILES)
            if trial.status is TrialStatus.FINISHED and trial.winner is None:
                run.record(self._save(trial))
                self.session.storage.delete(trial_folder(trial))
        return trial.status

    def _save(self, trial: TrialRecord) -> WinnerEvaluated:
        """Writes the encoder as a ``from_pretrained`` folder."""
        storage = self.session.storage
        weights = Checkpoints(storage, trial_folder(trial)).load_best()
        assert weights is not None  # saved before the run was told to have finished
        with tempfile.TemporaryDirectory() as local:
            save_encoder(local, weights, self.session.job, self.tokenizer)
            storage.upload(local, ENCODER)
        last = trial.evaluations[-1].metrics
        scores = {name: value for name, value in last.items() if not name.startswith("train_")}
        return WinnerEvaluated(
            time=time.time(), number=trial.number, task=TASK, scores={"validation": scores}, folder=storage.uri(ENCODER)
        )

    def _close(self, trial: TrialRecord) -> None:
        session, out = self.session, self.terminal.out
        if trial.evaluations:
            measured = figures([to_pretraining_evaluation(event) for event in trial.evaluations])
            rows = {"train": len(firsts(self.data.train)), "validation": len(firsts(self.data.held_out))}
            print_metrics(
                measured, rows, session.job.published, out, source=self.data.source, synthetic=self.data.synthetic
            )
        if trial.winner is not None:
            out.print(Text.assemble("\n", ("encoder", "bold"), f"    {trial.winner.folder}"), soft_wrap=True)
        out.print(Text.assemble(("MLflow UI", "bold"), f"  {ui_command(_tracking_uri(session))}"), soft_wrap=True)
        if trial.message:
            self.terminal.error(f"{trial.name} {trial.status.replace('_', ' ')}: {trial.message}")
        if not trial.status.final or (trial.status is TrialStatus.FINISHED and trial.winner is None):
            out.print("\nstopped; go on with:", highlight=False)
            out.print(Text(self._resume_command(), style="bold"), soft_wrap=True)

    def _resume_command(self) -> str:
        return places.resume_command(self.session.name, self.session.job.storage, self.address)


def line(event: Evaluated, trial: TrialRecord) -> str:
    """An evaluation with the training before it."""
    at = to_pretraining_evaluation(event)
    return (
        f"step {at.step:,}/{trial.training['max_steps']:,} · training MLM {at.train_masked_lm_loss:.3f}, "
        f"NSP {at.train_next_sentence_loss:.3f} · held-out MLM {at.masked_lm_loss:.3f} "
        f"({at.masked_lm_accuracy:.1%} right), NSP {at.next_sentence_loss:.3f} ({at.next_sentence_accuracy:.1%}) · "
        f"{at.pairs_per_second:,.0f} sentence pairs/s"
    )


def _start(job: PretrainJob) -> TrialStarted:
    training: dict[str, Value | None] = {**job.model.model_dump(), **job.training.model_dump()}
    return TrialStarted(time=time.time(), number=0, task=TASK, params={}, training=training, seed=job.seed)


def _plan(session: PretrainSession, data: PretrainingData, resources: str) -> SearchPlan:
    job, sizes = session.job, session.job.model
    words = f"BERT, {sizes.num_hidden_layers} layers, {sizes.hidden_size} wide, {sizes.num_attention_heads} heads"
    guessing = -math.log(data.tokens.vocab_size) - math.log(2)
    task = TaskPlan(
        TASK,
        TITLE,
        data.source,
        len(firsts(data.train)),
        len(firsts(data.held_out)),
        {},
        "negative_loss",
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
        tracking_uri=without_password(_tracking_uri(session)),
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


def _tracking_uri(session: PretrainSession) -> str:
    return places.tracking_uri(session.job.storage, session.job.tracking)
