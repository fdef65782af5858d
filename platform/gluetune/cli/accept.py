"""The flag that starts a run anew where its rows or its encoder have changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gluetune.api.inputs import ACCEPT
from gluetune.cli.program import Option
from gluetune.errors import ConfigIssue

if TYPE_CHECKING:
    from gluetune.cli.flags import ParsedArguments

ACCEPT_OPTION = Option(
    ACCEPT,
    "",
    "with --resume: where the rows or the encoder have changed since the run began, set "
    "aside what it has recorded and start it anew on those that are there",
)


def accept_issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    """What is wrong with `ACCEPT` among some arguments."""
    if ACCEPT in arguments.switches and arguments.resume is None:
        yield ConfigIssue(ACCEPT, "goes with --resume only: a new run starts on the rows that are there")
