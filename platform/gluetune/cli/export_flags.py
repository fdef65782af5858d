"""The flags of ``jobs/export_submission.py``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import gluetune
from gluetune.config import Override, StorageConfig
from gluetune.errors import ConfigError, Problem, nearest

_FLAGS = ("--run", "--storage-path", "--output", "--data", "--data-dir", "--batch-size", "--fill-missing", "--help",
          "--version")
_SPLIT_FILES = ("train_file", "validation_file", "test_file")


@dataclass(frozen=True, slots=True)
class ExportArguments:
    """What the command line asks for.

    Attributes:
        runs: names of runs, in the order given.
        storage_path: the folder or bucket they lie in.
        output: the zip.
        data: where test rows come from instead of the runs' own source.
        data_dir: the official GLUE folder instead of the runs' own.
        batch_size: rows per batch; ``None`` is what each run evaluated with.
        fill_missing: whether tasks without a winner get constant predictions.
    """

    runs: tuple[str, ...]
    storage_path: str = StorageConfig().path
    output: str = "submission.zip"
    data: str | None = None
    data_dir: str | None = None
    batch_size: int | None = None
    fill_missing: bool = False

    @property
    def overrides(self) -> list[Override]:
        """What replaces values of the runs' job files.

        A submission answers the official test files: a run's own single files are left out.
        """
        own = [Override(f"data.{name}", None) for name in _SPLIT_FILES]
        if self.data is None and self.data_dir is None:
            return own
        source = Override("data.source", "dir" if self.data is None else self.data,
                          "--data-dir" if self.data is None else "--data")
        return [*own, Override("data.dataset", None), source, Override("data.dir", self.data_dir, "--data-dir")]


def parse(argv: Sequence[str]) -> ExportArguments:
    """Reads the command line. ``--help`` and ``--version`` print and raise ``SystemExit(0)``.

    Args:
        argv: the arguments without the program's name; ``_`` and ``-`` in flags are the same.

    Raises:
        ConfigError: unknown flags, missing or wrong values.
    """
    given, unknown = _parser().parse_known_args([_spelling(argument) for argument in argv])
    problems = [_unknown(argument) for argument, before in zip(unknown, ["", *unknown], strict=False)
                if argument.startswith("-") or not before.startswith("-") or "=" in before]  # not its value too
    problems += _problems(given)
    if problems:
        raise ConfigError(problems)
    size = None if given.batch_size is None else int(given.batch_size)
    return ExportArguments(tuple(dict.fromkeys(given.run)), given.storage_path, given.output, given.data,
                           given.data_dir, size, given.fill_missing)


class _Parser(argparse.ArgumentParser):
    """Reports its errors as this package's own."""

    def error(self, message: str) -> NoReturn:
        flag = message.removeprefix("argument ").split(":")[0]
        rule = "must have a value" if message.endswith("expected one argument") else "takes no value"
        raise ConfigError([Problem(flag, rule)])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="export_submission.py", allow_abbrev=False, usage="%(prog)s --run NAME [--run NAME …] [flags]",
        description="Predict GLUE's test rows with the winners of finished runs and write the zip that "
                    "gluebenchmark.com takes. Works in this process, on its GPU if there is one; no Ray is started.",
        epilog="Where several runs have a winner of a task, the one with the higher selection score answers it. "
               "MNLI's winner answers the diagnostic set (AX) too. The zip is read back and checked.")
    parser.add_argument("--version", action="version", version=f"gluetune {gluetune.__version__}")
    defaults = ExportArguments(())
    add = parser.add_argument
    add("--run", metavar="NAME", action="append", help="a run with winners; may be repeated")
    add("--storage-path", metavar="PATH", default=defaults.storage_path,
        help="folder or bucket that the runs lie in (default: %(default)s)")
    add("--output", metavar="FILE", default=defaults.output, help="the zip to write (default: %(default)s)")
    add("--data", metavar="SOURCE", help="embedded (generated), hub or dir (default: each run's own source)")
    add("--data-dir", metavar="FOLDER", help="the official GLUE folder; means --data dir")
    add("--batch-size", metavar="N", help="rows per batch (default: what each run evaluated with)")
    add("--fill-missing", action="store_true",
        help="give constant predictions (train's majority class or mean) for tasks without a winner")
    return parser


def _problems(given: argparse.Namespace) -> Iterator[Problem]:
    if not given.run:
        yield Problem("--run", f"must name a run with winners, a folder in {given.storage_path}")
    if given.batch_size is not None and not (given.batch_size.isdecimal() and int(given.batch_size) >= 1):
        yield Problem("--batch-size", f"must be a whole number of at least 1, but got {given.batch_size!r}")
    if not given.output.endswith(".zip"):
        yield Problem("--output", f"must be a file that ends in .zip, but got {given.output!r}")


def _unknown(argument: str) -> Problem:
    if not argument.startswith("-"):
        return Problem("", f"flags must start with --, but got {argument!r}")
    name = argument.split("=")[0]
    return Problem(name, "no such flag" + (nearest(name, _FLAGS) or "; --help lists them"))


def _spelling(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value
