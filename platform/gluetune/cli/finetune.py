"""``jobs/finetune.py``: one configuration trained, scored, or asked for predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gluetune.api.inputs import ACCEPT
from gluetune.cli import flag_table as table
from gluetune.cli.accept import ACCEPT_OPTION, accept_issues
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.main import FAILED, OK, open_session, run
from gluetune.cli.process import ProcessFrontend
from gluetune.cli.program import Option, Program
from gluetune.cli.terminal import Terminal
from gluetune.config import Override
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.supervisor import INTERRUPTED

MODES = ("train_and_eval", "train", "eval", "predict")
_OURS = {
    "search.space": "single",
    "search.algorithm": "grid",
    "search.scheduler": {"name": "none"},
    "search.num_samples": None,
    "lanes.max_concurrent_trials": 1,
}  # `single`: the search space without fields
PROGRAM = Program(
    "gluetune finetune",
    "Fine-tune an encoder with one configuration, on the lanes that searches train on; score a trained model; predict.",
    "such as jobs/cola_tutorial.yaml; must be given",
    {
        "what to train": table.TRAINING,
        "data and model": table.DATA_AND_MODEL,
        "lane": table.WORKERS,
        "storage and tracking": table.STORAGE + table.TRACKING,
    },
    (
        Option("--mode", "MODE", "train_and_eval (default), train, eval or predict", MODES),
        Option(
            "--checkpoint", "FOLDER", "eval, predict: the trained model (default: that of the job file's latest run)"
        ),
        Option(
            "--input",
            "FILE",
            "predict: a file in the task's layout, an answer for each row (default: the official test rows)",
        ),
        Option("--output", "FILE", "predict: where to (default: predictions/ in the run's folder)"),
        ACCEPT_OPTION,
    ),
    check=accept_issues,
)
_SEARCHED = ("search.space", "search.algorithm", "search.scheduler", "search.num_samples")
_ONLY_WITH = {"--checkpoint": ("eval", "predict"), "--input": ("predict",), "--output": ("predict",)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``jobs/finetune.py``; see `gluetune.cli.main.run`."""
    return run(PROGRAM, _act, argv)


def _act(arguments: ParsedArguments, terminal: Terminal) -> int:
    mode = arguments.options.get("--mode", MODES[0])
    _check(arguments, mode)
    arguments = one_run(arguments)
    return _use(arguments, mode, terminal) if mode in ("eval", "predict") else _train(arguments, mode, terminal)


def one_run(arguments: ParsedArguments) -> ParsedArguments:
    """The arguments with what makes a job file one configuration; a run that goes on is one already."""
    if arguments.resume is not None:
        return arguments
    return replace(arguments, overrides=(*arguments.overrides, *_own_overrides(arguments)))


def _own_overrides(arguments: ParsedArguments) -> Iterator[Override]:
    """What makes a job file one run. Figures published for its own task are not compared with another's."""
    for path, value in _OURS.items():
        yield Override(path, value, "jobs/finetune.py")
    if any(override.path == "tasks" for override in arguments.overrides):
        yield Override("published", None, "jobs/finetune.py")


def _check(arguments: ParsedArguments, mode: str) -> None:
    issues = [
        ConfigIssue(option, f"goes with --mode {' or '.join(modes)} only, but got --mode {mode}")
        for option, modes in _ONLY_WITH.items()
        if option in arguments.options and mode not in modes
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
    issues += [
        ConfigIssue(override.path, "must not be set: one configuration is run; jobs/tune_glue.py searches")
        for override in arguments.overrides
        if override.path.startswith(_SEARCHED)
    ]
    if issues:
        raise ConfigError(issues)


def _train(arguments: ParsedArguments, mode: str, terminal: Terminal) -> int:
    session = open_session(arguments, terminal)
    if session.space.space:
        raise StorageError(f"{session.name!r} is a search; go on with it by jobs/tune_glue.py --resume {session.name}")
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


def _use(arguments: ParsedArguments, mode: str, terminal: Terminal) -> int:
    from gluetune.api.trained import evaluate, open_trained, predict
    from gluetune.cli.logs import temporary_log
    from gluetune.cli.results import print_evaluation, write_answers

    checkpoint, rows, output = (arguments.options.get(name) for name in ("--checkpoint", "--input", "--output"))
    if mode == "predict":
        terminal.keep_out_of(output)
    trained = open_trained(
        arguments.config, arguments.overrides, checkpoint=checkpoint, reads_data=checkpoint is None or rows is None
    )
    frontend = ProcessFrontend(terminal)
    with temporary_log(terminal) as log, terminal.logging_to(log):
        if mode == "eval":
            for evaluation in evaluate(trained, arguments.address, frontend):
                print_evaluation(evaluation, terminal)
            return OK
        answers = predict(
            trained,
            arguments.address,
            frontend,
            rows_file=rows,
            output=output,
            is_stream=lambda target: terminal.data_stream(target) is not None,
        )
        for answer in answers:
            write_answers(answer, terminal)
    return OK
