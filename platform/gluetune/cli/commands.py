"""The commands of ``gluetune``, by name: the table that ``gluetune`` and the scripts in ``jobs/`` start from.

This module imports only the standard library and `gluetune.supervisor`. A command's own module is imported in the
driver process, by the function that the table holds: the parent process stays small, and ``gluetune --help`` is fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from gluetune.supervisor import supervised

Main: TypeAlias = Callable[[Sequence[str]], int]
"""Runs a command with its arguments, and returns its exit code."""

USAGE_ERROR = 2


class Command(NamedTuple):
    """A command of ``gluetune``.

    Attributes:
        summary: what it does, in a few words for the list of commands.
        load: imports the command's module and returns its ``main``.
    """

    summary: str
    load: Callable[[], Main]


def _tune() -> Main:
    from gluetune.cli.main import main

    return main


def _finetune() -> Main:
    from gluetune.cli.finetune import main

    return main


def _pretrain() -> Main:
    from gluetune.cli.pretrain_flags import main

    return main


def _export() -> Main:
    from gluetune.cli.export import main

    return main


def _ui() -> Main:
    from gluetune.cli.ui import main

    return main


def _benchmark() -> Main:
    from gluetune.cli.benchmark import main

    return main


COMMANDS = {
    "tune": Command("search hyperparameters; without flags the offline quickstart", _tune),
    "finetune": Command("fine-tune an encoder with one configuration, and evaluate it", _finetune),
    "pretrain": Command("pre-train a BERT encoder", _pretrain),
    "export": Command("write a submission to the GLUE benchmark from winners", _export),
    "ui": Command("open the MLflow UI on what searches have recorded", _ui),
    "benchmark": Command("measure speed and memory beside other programs", _benchmark),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``gluetune COMMAND …``.

    Args:
        argv: the command and its arguments; those of the process by default.

    Returns:
        The exit code: that of the command, 0 after a help text, 2 where the command does not exist.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        from gluetune import __version__

        print(f"gluetune {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"error: {_unknown(name)}", file=sys.stderr)
        return USAGE_ERROR
    return run(name, rest)


def run(name: str, argv: Sequence[str] | None = None) -> int:
    """Runs a command in a supervised driver process.

    Args:
        name: a key of `COMMANDS`.
        argv: the command's arguments; those of the process by default.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if argv is None else argv
    return supervised(lambda: COMMANDS[name].load()(arguments))


def _help() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items())
    return f"""usage: gluetune COMMAND [flags]

Hyperparameter search for fine-tuning BERT-type encoders, on a laptop or on a Ray cluster.

commands:
{listed}

Start with `gluetune tune`: the quickstart searches generated tasks and needs no network.
`gluetune COMMAND --help` lists a command's flags, `gluetune --version` prints the version."""


def _unknown(name: str) -> str:
    """The message about a first argument that is no command."""
    from gluetune.errors import did_you_mean

    names = ", ".join(COMMANDS)
    if name.startswith("-"):
        return f"{name}: flags must follow a command, such as `gluetune tune {name}`; the commands are {names}"
    return f"{name}: no such command" + (did_you_mean(name, COMMANDS) or f"; the commands are {names}")
