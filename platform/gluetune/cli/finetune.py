"""``gluetune finetune``: one configuration trained and evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gluetune.api.inputs import ACCEPT
from gluetune.api.settings import searched_issues
from gluetune.cli import flag_table as table
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.main import FAILED, OK, open_session, run, tune_job
from gluetune.cli.predict import (
    CHECKPOINT,
    INPUT,
    OUTPUT,
    evaluate_trained,
    one_configuration,
    predict_trained,
)
from gluetune.cli.process import ProcessFrontend
from gluetune.cli.program import ACCEPT_OPTION, Option, Program, accept_issues
from gluetune.cli.terminal import Terminal
from gluetune.config import JobConfig
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.supervisor import INTERRUPTED

MODES = ("train_and_eval", "train", "eval", "predict")
_USES = {
    CHECKPOINT: ("eval", "predict"),
    INPUT: ("predict",),
    OUTPUT: ("predict",),
}
PROGRAM = Program(
    "gluetune finetune",
    "Fine-tune an encoder with one configuration, on the lanes that searches train on; score a trained model; predict.",
    "job file (such as jobs/cola_tutorial.yaml; must be given)",
    {
        "what to train": table.TRAINING,
        "data and model": table.DATA_AND_MODEL,
        "lane": table.WORKERS,
        "storage and tracking": table.STORAGE + table.TRACKING,
    },
    (
        Option("--mode", "MODE", "train_and_eval (default) or train; eval, predict: as those commands", MODES),
        *(replace(option, help=f"with --mode {' or '.join(modes)}: {option.help}") for option, modes in _USES.items()),
        ACCEPT_OPTION,
    ),
    check=accept_issues,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``gluetune finetune``; returns the exit code."""
    return run(PROGRAM, _act, argv)


def _act(arguments: ParsedArguments, terminal: Terminal) -> int:
    mode = arguments.options.get("--mode", MODES[0])
    _check(arguments, mode)
    arguments = one_run(arguments)
    if mode == "eval":
        return evaluate_trained(arguments, terminal)
    if mode == "predict":
        return predict_trained(arguments, terminal)
    return _train(arguments, mode, terminal)


def one_run(arguments: ParsedArguments) -> ParsedArguments:
    """The arguments with what makes a job file one configuration; a run that is resumed is one already."""
    if arguments.resume is not None:
        return arguments
    return one_configuration(arguments, PROGRAM.name)


def finetune_job(arguments: ParsedArguments, terminal: Terminal) -> JobConfig | None:
    """The job of a new run that the arguments ask for; ``None`` where a trained model is evaluated.

    Raises:
        ConfigError: mistakes in the job file or the arguments.
    """
    mode = arguments.options.get("--mode", MODES[0])
    _check(arguments, mode)
    return None if mode in ("eval", "predict") else tune_job(one_run(arguments), terminal)


def _check(arguments: ParsedArguments, mode: str) -> None:
    issues = [
        ConfigIssue(option.name, f"goes with --mode {' or '.join(modes)} only, but got --mode {mode}")
        for option, modes in _USES.items()
        if option.name in arguments.options and mode not in modes
    ]
    if arguments.config is None and arguments.resume is None:
        issues.append(ConfigIssue("--config", "must be given: a job file such as jobs/cola_tutorial.yaml"))
    if arguments.resume is not None and mode in ("eval", "predict"):
        issues.append(
            ConfigIssue(
                "--resume",
                f"goes with training only, but got --mode {mode}; name a trained model "
                "by --checkpoint or its run by --name",
            )
        )
    if arguments.dry_run and mode in ("eval", "predict"):
        issues.append(ConfigIssue("--dry-run", f"goes with training only, but got --mode {mode}"))
    issues += searched_issues(arguments.overrides)
    if issues:
        raise ConfigError(issues)


def _train(arguments: ParsedArguments, mode: str, terminal: Terminal) -> int:
    session = open_session(arguments, terminal)
    if session.space.space:
        raise StorageError(f"{session.name!r} is a search; resume it by gluetune tune --resume {session.name}")
    if arguments.dry_run:  # the imports are slow, and a mistake in a flag need not wait for them
        from gluetune.api.search_run import show_plan

        show_plan(session, ProcessFrontend(terminal), accept_inputs=ACCEPT in arguments.switches)
        return OK
    from gluetune.api.runs import search_session
    from gluetune.api.views import RunViews

    views = RunViews(session.job.published)
    finished = search_session(
        session,
        arguments.address,
        ProcessFrontend(terminal),
        views,
        score=mode != "train",
        accept_inputs=ACCEPT in arguments.switches,
    )
    if finished.interrupted:
        return INTERRUPTED
    for trial in views.failed:
        terminal.error(f"{trial.name} {trial.status.replace('_', ' ')}: {trial.message}")
    return FAILED if views.failed else OK
