"""The commands of ``gluetune``, by name: the table that ``gluetune`` and the scripts in ``jobs/`` start from.

This module imports only the standard library and `gluetune.supervisor`. A command's own module is imported in the
driver process, by the function that the table holds: the parent process stays small, and ``gluetune --help`` is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gluetune.supervisor import supervised

if TYPE_CHECKING:
    from gluetune.cli.options import Program

Main: TypeAlias = Callable[[Sequence[str]], int]
"""Runs a command with its arguments, and returns its exit code."""

Loaded: TypeAlias = "tuple[Program | None, Main]"
"""A command's flags, where its module is part of the package, and what runs it."""

USAGE_ERROR = 2
CHECKOUT = Path(__file__).resolve().parents[3]  # where platform/gluetune/cli/commands.py is in a checkout
NOT_SUBMITTED = ("submit", "ui")  # commands of the user's own machine


class Command(NamedTuple):
    """A command of ``gluetune``.

    Attributes:
        summary: what it does, in a few words for the list of commands.
        load: imports the command's module; returns its flags and its ``main``.
    """

    summary: str
    load: Callable[[], Loaded]


def _tune() -> Loaded:
    from gluetune.cli.tune import TUNE, tune_main

    return TUNE, tune_main


def _confirm() -> Loaded:
    from gluetune.cli.confirm import CONFIRM, confirm_main

    return CONFIRM, confirm_main


def _finetune() -> Loaded:
    from gluetune.cli.tune import FINETUNE, finetune_main

    return FINETUNE, finetune_main


def _evaluate() -> Loaded:
    from gluetune.cli.evaluate import EVALUATE, evaluate_main

    return EVALUATE, evaluate_main


def _predict() -> Loaded:
    from gluetune.cli.predict import PREDICT, predict_main

    return PREDICT, predict_main


def _pretrain() -> Loaded:
    from gluetune.cli.pretrain import PROGRAM, main

    return PROGRAM, main


def _export() -> Loaded:
    from gluetune.cli.export import PROGRAM, main

    return PROGRAM, main


def _push() -> Loaded:
    from gluetune.cli.push import PROGRAM, main

    return PROGRAM, main


def _list() -> Loaded:
    from gluetune.cli.recorded_runs import LIST, list_main

    return LIST, list_main


def _show() -> Loaded:
    from gluetune.cli.recorded_runs import SHOW, show_main

    return SHOW, show_main


def _trials() -> Loaded:
    from gluetune.cli.recorded_runs import TRIALS, trials_main

    return TRIALS, trials_main


def _compare() -> Loaded:
    from gluetune.cli.recorded_runs import COMPARE, compare_main

    return COMPARE, compare_main


def _stop() -> Loaded:
    from gluetune.cli.acting import STOP, stop_main

    return STOP, stop_main


def _add() -> Loaded:
    from gluetune.cli.acting import ADD, add_main

    return ADD, add_main


def _extend() -> Loaded:
    from gluetune.cli.acting import EXTEND, extend_main

    return EXTEND, extend_main


def _verify() -> Loaded:
    from gluetune.cli.verify import VERIFY, verify_main

    return VERIFY, verify_main


def _report() -> Loaded:
    from gluetune.cli.report import PROGRAM, main

    return PROGRAM, main


def _benchmark() -> Loaded:
    return None, benchmark_main


def _submit() -> Loaded:
    from gluetune.cli.submit import PROGRAM, main

    return PROGRAM, main


def _ui() -> Loaded:
    from gluetune.cli.ui import PROGRAM, main

    return PROGRAM, main


COMMANDS = {
    "tune": Command("search hyperparameters; without flags the offline quickstart", _tune),
    "confirm": Command("train a search's best configurations again with fresh seeds", _confirm),
    "finetune": Command("fine-tune an encoder with one configuration, and evaluate it", _finetune),
    "evaluate": Command("score trained models on labelled rows", _evaluate),
    "predict": Command("write labels and probabilities of trained models for rows", _predict),
    "pretrain": Command("pre-train a BERT encoder", _pretrain),
    "export": Command("write a submission to the GLUE benchmark, or a model for ONNX Runtime", _export),
    "list": Command("list runs: what was searched, state, best trial of each task", _list),
    "show": Command("show one run, also while it runs", _show),
    "trials": Command("list a run's trials; --csv for other programs", _trials),
    "compare": Command("compare the settings and results of two runs", _compare),
    "stop": Command("stop a search that another process runs, or one of its trials", _stop),
    "add": Command("have a search train a configuration next", _add),
    "extend": Command("raise the number of trials or the time budget of a search", _extend),
    "verify": Command("train a search's winners again from its record, and compare their scores", _verify),
    "report": Command("write the HTML report of a run, or of two side by side", _report),
    "push": Command("upload a trained model to the Hugging Face hub", _push),
    "benchmark": Command("measure speed and memory beside other programs", _benchmark),
    "submit": Command("run one of these commands as a job on a Ray cluster", _submit),
    "ui": Command("open the MLflow UI on what searches have recorded", _ui),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune COMMAND …``.

    Args:
        argv: the command and its arguments; those of the process by default.

    Returns:
        The exit code: that of the command, 0 after a help text, 2 where the command does not exist.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) > 1 and arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        from gluetune import __version__

        print(f"gluetune {__version__}")
        return 0
    name, *rest = arguments
    if name == "--print-completion":
        return _print_completion(rest)
    if name not in COMMANDS:
        print(f"error: {_unknown(name)}", file=sys.stderr)
        return USAGE_ERROR
    return run(name, rest)


def run(name: str, argv: Sequence[str] | None = None) -> int:
    """Run a command in a supervised driver process.

    Args:
        name: a key of `COMMANDS`.
        argv: the command's arguments; those of the process by default.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if argv is None else argv

    def command() -> int:
        _, command_main = COMMANDS[name].load()
        return command_main(arguments)

    return supervised(command)


def _help() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items())
    return f"""usage: gluetune COMMAND [flags]

Hyperparameter search for fine-tuning BERT-type encoders, on a laptop or on a Ray cluster.

commands:
{listed}

Start with `gluetune tune`: the quickstart searches generated tasks and needs no network.
`gluetune COMMAND --help` lists a command's flags, `gluetune --version` prints the version, and
`gluetune --print-completion SHELL` the completion of bash, zsh or fish."""


def _print_completion(arguments: Sequence[str]) -> int:
    from gluetune.cli.completion import SHELLS, script
    from gluetune.errors import did_you_mean

    shell = " ".join(arguments)
    if shell not in SHELLS:
        rule = f"must be one of {', '.join(SHELLS)}, but got {shell!r}{did_you_mean(shell, SHELLS)}"
        print(f"error: --print-completion: {rule}", file=sys.stderr)
        return USAGE_ERROR
    print(script(shell))
    return 0


def _unknown(name: str) -> str:
    """Return the message about a first argument that is no command."""
    from gluetune.errors import did_you_mean

    names = ", ".join(COMMANDS)
    if name.startswith("-"):
        return f"{name}: flags must follow a command, such as `gluetune tune {name}`; the commands are {names}"
    return f"{name}: no such command" + (did_you_mean(name, COMMANDS) or f"; the commands are {names}")


def benchmark_main(argv: Sequence[str] | None = None, *, checkout: Path = CHECKOUT) -> int:
    """Run ``gluetune benchmark``: the comparisons of the ``benchmarks/`` folder, which the wheel leaves out.

    Args:
        argv: the arguments; ``None`` for those of this process.
        checkout: the folder that holds ``benchmarks/``.

    Returns:
        The exit code; 2 where gluetune was installed without its repository.
    """
    if not (checkout / "benchmarks" / "cli.py").is_file():
        print(
            f"error: the comparisons must be run from a checkout of gluetune's repository, but {checkout} holds no "
            "benchmarks/ folder: clone the repository, and run `gluetune benchmark` in it",
            file=sys.stderr,
        )
        return USAGE_ERROR
    make_importable(str(checkout))
    from benchmarks.cli import main as run_benchmarks

    return run_benchmarks(argv)


def make_importable(folder: str) -> None:
    """Have this process, the programs that it starts and the Ray workers of these import from a folder first."""
    sys.path[:] = [folder, *(path for path in sys.path if path != folder)]
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, *inherited])
