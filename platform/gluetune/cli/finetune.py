"""``jobs/finetune.py``: one configuration trained, scored, or asked for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gluetune.cli import flag_table as table
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.main import INTERRUPTED, OK, open_session, run
from gluetune.cli.program import Option, Program
from gluetune.cli.terminal import Terminal
from gluetune.config import Override
from gluetune.errors import ConfigError, Problem

MODES = ("train_and_eval", "train", "eval", "predict")
SINGLE = (Override("search.space", "single", "jobs/finetune.py"),  # the search space without fields
          Override("lanes.max_concurrent_trials", 1, "jobs/finetune.py"))
PROGRAM = Program(
    "finetune.py",
    "Fine-tune an encoder with one configuration, on the lanes that searches train on; score a trained model; predict.",
    "such as jobs/cola_tutorial.yaml; must be given",
    {"what to train": table.TRAINING, "data and model": table.DATA_AND_MODEL, "lane": table.WORKERS,
     "storage and tracking": table.STORAGE + table.TRACKING},
    (Option("--mode", "MODE", "train_and_eval (default), train, eval or predict", MODES),
     Option("--checkpoint", "FOLDER", "eval, predict: the trained model (default: that of the job file's latest run)"),
     Option("--input", "FILE", "predict: a file in the task's layout (default: the official test rows)"),
     Option("--output", "FILE", "predict: where to (default: predictions/ in the run's folder)")),
)
_ONLY_WITH = {"--checkpoint": ("eval", "predict"), "--input": ("predict",), "--output": ("predict",)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``jobs/finetune.py``; see `gluetune.cli.main.run`."""
    return run(PROGRAM, _act, argv)


def _act(arguments: ParsedArguments, terminal: Terminal) -> int:
    mode = arguments.options.get("--mode", MODES[0])
    _check(arguments, mode)
    if arguments.resume is None:
        arguments = replace(arguments, overrides=(*SINGLE, *arguments.overrides))
    return _use(arguments, mode, terminal) if mode in ("eval", "predict") else _train(arguments, mode, terminal)


def _check(arguments: ParsedArguments, mode: str) -> None:
    problems = [Problem(option, f"goes with --mode {' or '.join(modes)} only, but got --mode {mode}")
                for option, modes in _ONLY_WITH.items() if option in arguments.options and mode not in modes]
    if arguments.config is None and arguments.resume is None:
        problems.append(Problem("--config", "must be given: a job file such as jobs/cola_tutorial.yaml"))
    if arguments.resume is not None and mode in ("eval", "predict"):
        problems.append(Problem("--resume", f"goes with training only, but got --mode {mode}; name a trained model "
                                            "by --checkpoint or its run by --name"))
    if problems:
        raise ConfigError(problems)


def _train(arguments: ParsedArguments, mode: str, terminal: Terminal) -> int:
    session = open_session(arguments, terminal)
    from gluetune.cli.show import RunShow  # imports torch and Ray, which a mistake in a flag need not wait for
    from gluetune.cli.tune import show_plan, tune

    if arguments.dry_run:
        show_plan(session, terminal)
        return OK
    show = RunShow(session.job.published)
    with terminal.logging_to(session.log):
        done = tune(session, arguments.address, terminal, show, score=mode != "train")
    return OK if done else INTERRUPTED


def _use(arguments: ParsedArguments, mode: str, terminal: Terminal) -> int:
    from gluetune.cli.trained import evaluate, open_trained, predict

    trained = open_trained(arguments, terminal)
    with terminal.logging_to(trained.log):
        if mode == "eval":
            evaluate(trained, arguments.address, terminal)
        else:
            predict(trained, arguments.options, arguments.address, terminal)
    return OK
