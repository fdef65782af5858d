"""Shell completion of ``gluetune``: commands, flags, files, names of runs, and values of flags that take one of a few.

Names of runs are those in the folder ``runs``: they are looked up by the shell, when it completes one.
"""

from __future__ import annotations

import argparse
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import shtab
from pydantic import BaseModel

from gluetune.cli.commands import COMMANDS
from gluetune.cli.flags import build_parser
from gluetune.cli.options import Program
from gluetune.config.space_files import known_spaces
from gluetune.tasks import TASKS, plugin_names

SHELLS = ("bash", "zsh", "fish")
_PATHS = {"FILE": shtab.FILE, "PATH": shtab.FILE, "MODEL": shtab.DIRECTORY, "FOLDER": shtab.DIRECTORY}  # by metavar

_RUNS: dict[str, Any] = {
    "bash": "_gluetune_runs",
    "zsh": "_gluetune_runs",
    "fish": "(find runs -mindepth 2 -maxdepth 2 -name job.yaml -o -name pretraining.yaml 2>/dev/null"
    " | path dirname | path basename)",
    "preamble": {
        "bash": """_gluetune_runs() {
  compgen -W "$(for file in runs/*/job.yaml runs/*/pretraining.yaml; do
    [ -e "$file" ] && basename "$(dirname "$file")"
  done)" -- "$1"
}""",
        "zsh": "_gluetune_runs() { local -a names; names=(runs/*/(job|pretraining).yaml(N:h:t)); compadd -a names }",
    },
}  # how each shell finds the names of runs
_NAMES_OF_RUNS = ("NAME", "FIRST", "SECOND", "--run", "--resume")


def script(shell: str) -> str:
    """Return the completion script for a shell.

    Args:
        shell: one of `SHELLS`.
    """
    return str(shtab.complete(_whole_parser(), shell))


def _whole_parser() -> argparse.ArgumentParser:
    """Return a parser of all commands; it is only read by shtab."""
    parser = argparse.ArgumentParser("gluetune")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--print-completion", choices=SHELLS, help="print the completion script of a shell")
    commands = parser.add_subparsers(dest="command")
    for name, command in COMMANDS.items():
        program, _ = command.load()
        if program is None:
            commands.add_parser(name, help=command.summary)
            continue
        flags = build_parser(program)
        _add_values(flags, program)
        commands.add_parser(name, help=command.summary, parents=[flags], add_help=False)
    return parser


def _add_values(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add to a command's flags what their values can be."""
    choices = dict(_choices(program))
    for action in parser._actions:
        name = next(iter(action.option_strings), action.dest)
        if name in choices:
            action.choices = choices[name]
        elif name in _NAMES_OF_RUNS:
            action.complete = _RUNS  # type: ignore[attr-defined]  # shtab reads it
        elif isinstance(action.metavar, str) and action.metavar in _PATHS:
            action.complete = _PATHS[action.metavar]  # type: ignore[attr-defined]  # shtab reads it


def _choices(program: Program) -> Iterator[tuple[str, list[str]]]:
    """Yield flags that take one of a few values, and these."""
    for option in program.options:
        if option.choices:
            yield option.name, list(option.choices)
    for flag in program.table:
        values = list(_literals(_annotation(program.schema, flag.path)))
        if values:
            yield flag.name, values
    yield "--tasks", [*TASKS, *plugin_names()]
    yield "--space", known_spaces()


def _annotation(model: Any, path: str) -> Any:
    """Return the type of a job file's key."""
    for key in path.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
        model = model.model_fields[key].annotation
    return model


def _literals(annotation: Any) -> Iterator[str]:
    """Values of the ``Literal`` types in a type."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif get_origin(annotation) in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            yield from _literals(part)
