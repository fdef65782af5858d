"""The flags of a command, in groups, and the texts of its help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel

from gluetune.api.inputs import ACCEPT
from gluetune.cli.flag_table import Flag
from gluetune.config import JobConfig
from gluetune.errors import ConfigIssue

if TYPE_CHECKING:
    from gluetune.cli.flags import ParsedArguments

_USAGE = "%(prog)s [--config FILE | --resume NAME] [flags]"
_EPILOG = (
    "Flags win over the job file; of a flag given twice the last one counts. "
    "--set takes every key of a job file, flags are short cuts for the frequent ones."
)


@dataclass(frozen=True, slots=True)
class Option:
    """A flag of the program itself, which no job file holds.

    Attributes:
        name: as it is typed.
        metavar: what its value is called in the help; empty for a switch, which takes none.
        help: one line.
        choices: the values it takes; any text where empty.
        repeated: whether it may be given several times and all its values count.
    """

    name: str
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar


@dataclass(frozen=True, slots=True)
class Program:
    """The flags of one command.

    Attributes:
        name: how the command is typed, such as ``gluetune tune``.
        description: what it does, in a sentence or two.
        config: the help of ``--config``; ``None`` where the program reads no job file: then it has none of
            ``--config``, ``--resume``, ``--set``, ``--dry-run`` and ``--address``.
        flags: short cuts for keys of the job file, by group.
        options: its own flags.
        schema: what a job file holds.
        example: a key and a value for the help of ``--set``.
        usage: the help's first line.
        epilog: the help's last lines.
        stray: what is wrong with an argument that is no flag, before "but got".
        resumes: whether it makes a run, and so has ``--resume`` and ``--dry-run``.
        check: what else is wrong with arguments; reported along with unknown flags.
    """

    name: str
    description: str
    config: str | None
    flags: dict[str, tuple[Flag, ...]] = field(default_factory=dict, repr=False)
    options: tuple[Option, ...] = ()
    schema: type[BaseModel] = JobConfig
    example: str = "training.num_train_epochs=3"
    usage: str = _USAGE
    epilog: str = _EPILOG
    stray: str = "flags must start with --"
    resumes: bool = True
    check: Callable[[ParsedArguments], Iterable[ConfigIssue]] = lambda _: ()

    @property
    def takes_job(self) -> bool:
        """Whether it reads a job file."""
        return self.config is not None

    @property
    def table(self) -> list[Flag]:
        """All short cuts."""
        return [flag for flags in self.flags.values() for flag in flags]


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
