"""The command line's flags: read here, checked with the job file they stand on top of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import gluetune
from gluetune.cli.flag_table import FLAGS, Flag
from gluetune.config import JobConfig, Override, TrainingConfig
from gluetune.config.yaml_reader import parse_yaml
from gluetune.errors import ConfigError, Problem, nearest

_SPELLINGS = {"--search-space": "--space"}
_OTHER = ("--config", "--resume", "--address", "--set", "--dry-run", "--version", "--help")


@dataclass(frozen=True, slots=True)
class ParsedArguments:
    """What the command line asks for.

    Attributes:
        config: job file; ``None`` is the project's quickstart.
        resume: name of the search to go on with.
        overrides: values on top of the job file, in the order given.
        address: Ray address; ``None`` is Ray's own default.
        dry_run: whether to check and show the plan only.
    """

    config: str | None = None
    resume: str | None = None
    overrides: tuple[Override, ...] = ()
    address: str | None = None
    dry_run: bool = False


def parse(argv: Sequence[str]) -> ParsedArguments:
    """Reads the command line. ``--help`` and ``--version`` print and raise ``SystemExit(0)``.

    Args:
        argv: the arguments without the program's name; ``_`` and ``-`` in flags are the same.

    Raises:
        ConfigError: unknown flags, missing values, flags that do not go with ``--resume``.
    """
    given, unknown = _parser().parse_known_args([_spelling(argument) for argument in argv])
    problems = [_unknown(argument) for argument, before in zip(unknown, ["", *unknown], strict=False)
                if argument.startswith("-") or not before.startswith("-") or "=" in before]  # not its value too
    overrides, wrong = _overrides(given.overrides or [])
    problems += wrong
    if given.resume is not None:
        problems += _not_resumable(given.config, overrides)
    if problems:
        raise ConfigError(problems)
    return ParsedArguments(given.config, given.resume, tuple(overrides), given.address, given.dry_run)


class _Parser(argparse.ArgumentParser):
    """Reports its errors as this package's own."""

    def error(self, message: str) -> NoReturn:
        flag = message.removeprefix("argument ").split(":")[0]
        rule = "must have a value" if message.endswith("expected one argument") else "takes no value"
        raise ConfigError([Problem(flag, rule)])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tune_glue.py", allow_abbrev=False, usage="%(prog)s [--config FILE | --resume NAME] [flags]",
        description="Search hyperparameters for fine-tuning encoders on GLUE tasks. Without flags: the embedded "
                    "quickstart, which needs no network.",
        epilog="Flags win over the job file; of a flag given twice the last one counts. "
               "--set takes every key of a job file, flags are short cuts for the frequent ones.")
    parser.add_argument("--version", action="version", version=f"gluetune {gluetune.__version__}")
    job = parser.add_argument_group("job")
    job.add_argument("--config", metavar="FILE", help="job file (default: jobs/quickstart.yaml)")
    job.add_argument("--resume", metavar="NAME", help="go on with a search that was stopped")
    job.add_argument("--set", metavar="KEY=VALUE", dest="overrides", action="append", type=_setting,
                     help="any key of the job file, such as training.num_train_epochs=3; may be repeated")
    job.add_argument("--dry-run", action="store_true", help="check everything, print the plan, start nothing")
    job.add_argument("--address", metavar="ADDRESS", help="Ray cluster (default: the one in reach, else a local one)")
    for title, flags in FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            group.add_argument(flag.name, metavar=flag.metavar, help=flag.help, dest="overrides", action="append",
                               type=_Value(flag))
    return parser


class _Given(NamedTuple):
    """A key's new value as it was typed; no ``path`` where ``--set`` could not be taken apart."""

    flag: str
    path: str
    text: str
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class _Value:
    """Takes a flag's value from argparse, unread: it is checked with the job file."""

    flag: Flag

    def __call__(self, text: str) -> _Given:
        return _Given(self.flag.name, self.flag.path, text, self.flag.text)


def _setting(text: str) -> _Given:
    key, equals, value = text.partition("=")
    return _Given("--set", key.strip(), value) if equals and key.strip() else _Given("--set", "", text)


def _overrides(given: Sequence[_Given]) -> tuple[list[Override], list[Problem]]:
    overrides, problems = [], []
    for flag, path, text, verbatim in given:
        if not path:
            problems.append(Problem("--set", f"must be KEY=VALUE, but got {text!r}"))
            continue
        try:
            overrides.append(Override(path, text if verbatim else parse_yaml(text.encode(), "").value, flag))
        except ConfigError as error:
            label = f"--set {path}" if flag == "--set" else flag
            problems += [Problem(label, f"{problem.message}; got {text!r}") for problem in error.problems]
    return overrides, problems


def _not_resumable(config: str | None, overrides: Sequence[Override]) -> Iterator[Problem]:
    allowed = [flag for flags in FLAGS.values() for flag in flags if flag.resumable]
    wrong = ["--config"] if config is not None else []
    wrong += [f"--set {o.path}" if o.flag == "--set" else o.flag for o in overrides
              if o.path not in {flag.path for flag in allowed}]
    if wrong:
        names = ", ".join(["--address", *sorted(flag.name for flag in allowed)])
        yield Problem("--resume", f"a search goes on as it was started; only {names} may change, "
                                  f"but got {', '.join(dict.fromkeys(wrong))}")


def _unknown(argument: str) -> Problem:
    if not argument.startswith("-"):
        return Problem("", f"flags must start with --, but got {argument!r}")
    name = argument.split("=")[0]
    key = name.lstrip("-").replace("-", "_")
    sections = {"training": TrainingConfig} | {n: f.annotation for n, f in JobConfig.model_fields.items()}
    for section, model in sections.items():
        if key in getattr(model, "model_fields", {}):
            return Problem(name, f"no such flag; use --set {section}.{key}=VALUE")
    known = [flag.name for flags in FLAGS.values() for flag in flags] + [*_OTHER, *_SPELLINGS]
    return Problem(name, "no such flag" + (nearest(name, known) or "; --help lists them"))


def _spelling(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    name = name.replace("_", "-")
    return _SPELLINGS.get(name, name) + equals + value
