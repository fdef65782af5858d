"""A command-line program: its flags, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel

from gluetune.cli.flag_table import Flag
from gluetune.config import JobConfig


@dataclass(frozen=True, slots=True)
class Option:
    """A flag of the program itself, which no job file holds.

    Attributes:
        name: as it is typed.
        metavar: what its value is called in the help.
        help: one line.
        choices: the values it takes; any text where empty.
    """

    name: str
    metavar: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """One of the scripts in ``jobs/``.

    Attributes:
        name: the script's file name.
        description: what it does, in a sentence or two.
        config: what ``--config`` means when it is not given.
        flags: short cuts for keys of the job file, by group.
        options: its own flags.
        schema: what a job file holds.
        example: a key and a value for the help of ``--set``.
    """

    name: str
    description: str
    config: str
    flags: dict[str, tuple[Flag, ...]] = field(repr=False)
    options: tuple[Option, ...] = ()
    schema: type[BaseModel] = JobConfig
    example: str = "training.num_train_epochs=3"

    @property
    def table(self) -> list[Flag]:
        """All short cuts."""
        return [flag for flags in self.flags.values() for flag in flags]
