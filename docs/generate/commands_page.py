"""``docs/reference/commands.md``: every command and flag, from the parsers that read the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from command_texts import GUIDES, INTRODUCTION, NOTES
from gluetune.cli.commands import COMMANDS
from gluetune.cli.flags import build_parser
from gluetune.cli.options import Program
from job_file_page import default_of
from markup import anchor, first_lines, table

POSITIONALS = ("positional arguments",)


def commands_page() -> str:
    """Return the page in Markdown."""
    listed = table(
        ("command", "what it does", "guide"),
        (
            [f"[`gluetune {name}`](#{_anchor(name)})", _prose(each.summary), GUIDES[name]]
            for name, each in COMMANDS.items()
        ),
    )
    parts = [first_lines("Commands", "the parsers of the commands", INTRODUCTION), f"\n{listed}\n{NOTES.strip()}\n"]
    for name in COMMANDS:
        parts += _command(name)
    return "".join(parts)


def program_of(name: str) -> Program:
    """Return the flags of a command."""
    program, _ = COMMANDS[name].load()
    if program is not None:
        return program
    from benchmarks.cli import PROGRAM  # the one command that is no part of the package

    return PROGRAM


def _anchor(name: str) -> str:
    return anchor(f"gluetune {name}")


def _command(name: str) -> Iterator[str]:
    program = program_of(name)
    parser = build_parser(program)
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield f"\n## gluetune {name}\n\n{_prose(program.description)}\n\n```text\n{usage}\n```\n"
    keys = {flag.name: flag.path for flag in program.table}
    choices = {option.name: option.choices for option in (*program.options, *program.positionals)}
    for group in parser._action_groups:
        shown = [each for each in group._group_actions if each.help != argparse.SUPPRESS and _is_own(each)]
        if shown:
            rows = ([_flag(each), _meaning(each, choices), *_key(each, keys, program)] for each in shown)
            first = "argument" if group.title in POSITIONALS else "flag"
            more = ("key of the job file", "default") if _has_keys(shown, keys) else ()
            heads = (first, "meaning", *more)
            yield f"\n**{_title(group.title)}**\n\n" + table(heads, (row[: len(heads)] for row in rows))
    yield f"\n{_prose(program.epilog)}\n"


def _is_own(action: argparse.Action) -> bool:
    return not set(action.option_strings) & {"--help", "--version"}


def _has_keys(actions: list[argparse.Action], keys: dict[str, str]) -> bool:
    return any(set(action.option_strings) & keys.keys() for action in actions)


def _title(title: str | None) -> str:
    text = {"options": "flags", "positional arguments": "arguments"}.get(title or "", title or "flags")
    return text[:1].upper() + text[1:]


def _flag(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.dest}`"
    value = "" if action.nargs == 0 else f" {action.metavar}"
    return f"`{action.option_strings[-1]}{value}`"


def _meaning(action: argparse.Action, choices: dict[str, tuple[str, ...]]) -> str:
    name = (action.option_strings or [action.dest])[-1]
    listed = f" (one of {', '.join(f'`{each}`' for each in choices[name])})" if choices.get(name) else ""
    return _prose((action.help or "").replace("%%", "%")) + listed


def _prose(text: str) -> str:
    """Return a text of the help in Markdown: flags as code."""
    return re.sub(r"(?<![`\w])(--[a-z][\w-]*)", r"`\1`", text).replace("<", "&lt;")


def _key(action: argparse.Action, keys: dict[str, str], program: Program) -> tuple[str, str]:
    path = next((keys[name] for name in action.option_strings if name in keys), None)
    return ("", "") if path is None else (f"`{path}`", _default(program.schema, path))


def _default(schema: type[BaseModel], path: str) -> str:
    *parents, name = path.split(".")
    model: Any = schema
    for parent in parents:
        annotation = model.model_fields[parent].annotation
        arms = getattr(annotation, "__args__", (annotation,))
        model = next(arm for arm in arms if isinstance(arm, type) and issubclass(arm, BaseModel))
    return default_of(model.model_fields[name])
