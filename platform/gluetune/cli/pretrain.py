"""``gluetune pretrain``: an encoder pre-trained on text."""

from __future__ import annotations

from collections.abc import Sequence

from gluetune.api.session import ACCEPT
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import (
    ACCEPT_OPTION,
    NAME_FLAG,
    SEED_FLAG,
    STORAGE_FLAGS,
    TRACKING_FLAGS,
    WORKER_FLAGS,
    Flag,
    Program,
    accept_issues,
)
from gluetune.cli.process import FAILED, OK, ProcessFrontend, run
from gluetune.cli.terminal import Terminal
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.events import TrialStatus
from gluetune.pretraining.config import PretrainJob, load_pretrain_job
from gluetune.supervisor import INTERRUPTED, report

TEXT = (
    Flag("--text", "text.source", "SOURCE", "synthetic (generated), files or hub", verbatim=True),
    Flag("--text-path", "text.path", "PATH", "a text file, or a folder of them, with --text files", verbatim=True),
    Flag(
        "--validation-path",
        "text.validation_path",
        "PATH",
        "text to evaluate on (default: the last documents)",
        verbatim=True,
    ),
    Flag("--text-format", "text.format", "NAME", "wikitext, sentences or paragraphs", verbatim=True),
    Flag("--max-documents", "text.max_documents", "N", "read no more of the text"),
    Flag(
        "--tokenizer",
        "tokenizer.name_or_path",
        "NAME",
        "an existing vocabulary (default: one trained on the text)",
        verbatim=True,
    ),
    Flag("--vocab-size", "tokenizer.vocab_size", "N", "size of a vocabulary that is trained"),
)
TRAINING = (
    NAME_FLAG,
    Flag("--learning-rate", "training.learning_rate", "RATE", "the highest learning rate"),
    Flag("--batch-size", "training.batch_size", "N", "sentence pairs per step, over all workers"),
    Flag("--max-steps", "training.max_steps", "N", "steps in all"),
    Flag("--max-seq-length", "training.max_seq_length", "N", "tokens per pair"),
    Flag("--evaluate-every", "training.evaluate_every", "N", "steps between evaluations, each of them a checkpoint"),
    SEED_FLAG,
)
PROGRAM = Program(
    "gluetune pretrain",
    "Pre-train a BERT encoder by masked language modelling and next-sentence prediction, on one lane of any number of "
    "workers.",
    "job file (such as jobs/bert_wikitext_d2l.yaml; must be given)",
    {
        "text": TEXT,
        "training": TRAINING,
        "lane": WORKER_FLAGS,
        "storage and tracking": STORAGE_FLAGS[:1] + TRACKING_FLAGS,
    },
    options=(ACCEPT_OPTION,),
    check=accept_issues,
    schema=PretrainJob,
    example="model.num_hidden_layers=4",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune pretrain``; return the exit code."""
    return run(PROGRAM, _act, argv)


def pretrain_job(arguments: ParsedArguments) -> PretrainJob:
    """Return the job of a new run that the arguments ask for.

    Raises:
        ConfigError: mistakes in the job file or the arguments.
    """
    _check_config(arguments)
    return load_pretrain_job(arguments.config, arguments.overrides)


def _check_config(arguments: ParsedArguments) -> None:
    """Refuse a run without a job file.

    Raises:
        ConfigError: neither ``--config`` nor ``--resume`` is given.
    """
    if arguments.config is None and arguments.resume is None:
        raise ConfigError([ConfigIssue("--config", "must be given: a job file such as jobs/bert_wikitext_d2l.yaml")])


def _act(arguments: ParsedArguments, terminal: Terminal) -> int:
    _check_config(arguments)
    from gluetune.api.pretraining_run import new_pretraining, resumed_pretraining, show_pretraining_plan
    from gluetune.api.runs import pretraining_session

    frontend, accept, starts = ProcessFrontend(terminal), ACCEPT in arguments.switches, not arguments.dry_run
    if arguments.resume is None:
        session = new_pretraining(arguments.config, arguments.overrides, starts=starts)
    else:
        session = resumed_pretraining(arguments.resume, arguments.overrides, starts=starts)
        report(resume=frontend.resume_command(session.name, session.job.storage, arguments.address))
    if arguments.dry_run:
        show_pretraining_plan(session, frontend, accept_inputs=accept)
        return OK
    trial = pretraining_session(session, arguments.address, frontend, accept_inputs=accept)
    if trial is None or not trial.status.final:
        return INTERRUPTED
    if trial.status is TrialStatus.FINISHED:
        return INTERRUPTED if trial.encoder is None else OK  # stopped while the encoder was saved
    return FAILED
