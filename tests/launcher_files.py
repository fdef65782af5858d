"""The files that `ray up` reads, and Ray's own parsers, for the tests that look at them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
AWS, GCP, ON_PREMISE = ROOT / "cluster.yaml", ROOT / "deploy" / "gcp.yaml", ROOT / "deploy" / "on_premise.yaml"
FILES = (AWS, GCP, ON_PREMISE)


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path)


def pinned(package: str) -> str:
    (version,) = re.findall(rf"^{package}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return str(version)


def ray_arguments(words: list[str]) -> dict[str, Any]:
    """A command that begins with ``ray``, as Ray's own command line reads it.

    Raises:
        click.ClickException: Ray has no such command, flag or argument.
    """
    import click
    from ray.scripts.scripts import cli

    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            raise click.UsageError(f"no command {rest[0]!r}")
        command, rest = found, rest[1:]
    return command.make_context(str(command.name), rest).params
