"""Parsing of a command's flags; their values are checked later, together with the job file that they override."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, TypeAlias

import gluetune
from gluetune.cli.options import Flag, Program
from gluetune.config import Override
from gluetune.config.yaml_files import parse_yaml
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean

_Arguments: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"
_SPELLINGS = {"--search-space": "--space"}
_JOB, _RESUMING = ("--config", "--address", "--set"), ("--resume", "--dry-run")
_OTHER = ("--version", "--help")


@dataclass(frozen=True, slots=True)
class ParsedArguments:
    """What the command line asks for.

    Attributes:
        config: job file; ``None`` where none is given.
        resume: name of the run to resume.
        overrides: values on top of the job file, in the order given.
        address: Ray address; ``None`` is Ray's own default.
        dry_run: whether to check and show the plan only.
        options: the program's own flags that were given, and its positional arguments, by name.
        repeated: values of its flags that may be repeated, by name, in the order given.
        switches: its switches that were given.
    """

    config: str | None = None
    resume: str | None = None
    overrides: tuple[Override, ...] = ()
    address: str | None = None
    dry_run: bool = False
    options: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, tuple[str, ...]] = field(default_factory=dict)
    switches: frozenset[str] = frozenset()


def parse(argv: Sequence[str], program: Program) -> ParsedArguments:
    """Read the command line. ``--help`` and ``--version`` print and raise ``SystemExit(0)``.

    Args:
        argv: the arguments without the program's name; ``_`` and ``-`` in flags are the same.
        program: the command's flags.

    Raises:
        ConfigError: unknown flags, missing values, flags that do not go with ``--resume``, and what the program's
            own check finds.
    """
    given, unknown = build_parser(program).parse_known_args([_spelling(argument, program) for argument in argv])
    issues = [
        _unknown(argument, program)
        for argument, before in zip(unknown, ["", *unknown], strict=False)
        if argument.startswith("-") or not before.startswith("-") or "=" in before
    ]  # not its value too
    overrides, wrong = _overrides(given.overrides or [])
    taken = (*program.options, *program.positionals)
    own = [(option, value) for option in taken if (value := vars(given)[option.name]) is not None]
    arguments = ParsedArguments(
        given.config,
        given.resume,
        tuple(overrides),
        given.address,
        given.dry_run,
        {option.name: value for option, value in own if isinstance(value, str)},
        {option.name: tuple(values) for option, values in own if option.repeated},
        frozenset(option.name for option, value in own if value is True),
    )
    issues += [*wrong, *_wrong_options(arguments.options, program), *program.check(arguments)]
    if arguments.resume is not None:
        issues += _resume_issues(arguments.config, overrides, program)
    if issues:
        raise ConfigError(issues)
    return arguments


class _Parser(argparse.ArgumentParser):
    """Raises its errors as this package's own."""

    def error(self, message: str) -> NoReturn:
        flag = message.removeprefix("argument ").split(":")[0]
        rule = "must have a value" if message.endswith("expected one argument") else "takes no value"
        raise ConfigError([ConfigIssue(flag, rule)])


def build_parser(program: Program) -> argparse.ArgumentParser:
    """Return the parser of a program's flags, in the groups that its help shows; values of flags stay text.

    Args:
        program: the program.
    """
    parser = _Parser(
        prog=program.name,
        allow_abbrev=False,
        usage=program.usage,
        description=program.description,
        epilog=program.epilog,
    )
    parser.add_argument("--version", action="version", version=f"gluetune {gluetune.__version__}")
    for positional in program.positionals:
        parser.add_argument(positional.name, nargs="?", help=positional.help)
    parser.set_defaults(config=None, resume=None, overrides=None, dry_run=False, address=None)
    _add_options(parser, _job_group(parser, program) if program.takes_job else parser, program)
    for title, flags in program.flags.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            group.add_argument(
                flag.name,
                metavar=flag.metavar,
                help=flag.help,
                dest="overrides",
                action="append",
                type=_ValueType(flag),
            )
    return parser


def _job_group(parser: argparse.ArgumentParser, program: Program) -> _Arguments:
    job = parser.add_argument_group("job")
    job.add_argument("--config", metavar="FILE", help=program.config)
    if program.resumes:
        job.add_argument("--resume", metavar="NAME", help="resume a run that was stopped")
    job.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="overrides",
        action="append",
        type=_setting,
        help=f"any key of the job file, such as {program.example}; may be repeated",
    )
    if program.resumes:
        job.add_argument("--dry-run", action="store_true", help="check as a start does, print the plan, leave nothing")
    job.add_argument("--address", metavar="ADDRESS", help="Ray cluster (default: the one in reach, else a local one)")
    return job


def _add_options(parser: argparse.ArgumentParser, first: _Arguments, program: Program) -> None:
    groups: dict[str, _Arguments] = {"": first}
    for option in program.options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        group = groups[option.group]
        if option.switch:
            group.add_argument(option.name, dest=option.name, action="store_const", const=True, help=option.help)
        else:
            group.add_argument(
                option.name,
                dest=option.name,
                action="append" if option.repeated else "store",
                metavar=option.metavar,
                help=option.help,
            )


class _TypedValue(NamedTuple):
    """A key's new value as it was typed.

    Attributes:
        flag: the flag that it was typed with.
        path: dotted path of the key; empty where the text of ``--set`` is no KEY=VALUE.
        text: the value.
        verbatim: whether the value is text as it is; otherwise it is read as YAML.
    """

    flag: str
    path: str
    text: str
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class _ValueType:
    """Keeps a flag's value as text when argparse parses it: it is checked with the job file."""

    flag: Flag

    def __call__(self, text: str) -> _TypedValue:
        return _TypedValue(self.flag.name, self.flag.path, text, self.flag.verbatim)


def _setting(text: str) -> _TypedValue:
    key, equals, value = text.partition("=")
    return _TypedValue("--set", key.strip(), value) if equals and key.strip() else _TypedValue("--set", "", text)


def _overrides(given: Sequence[_TypedValue]) -> tuple[list[Override], list[ConfigIssue]]:
    overrides, issues = [], []
    for flag, path, text, verbatim in given:
        if not path:
            issues.append(ConfigIssue("--set", f"must be KEY=VALUE, but got {text!r}"))
            continue
        try:
            overrides.append(Override(path, text if verbatim else parse_yaml(text.encode(), "").value, flag))
        except ConfigError as error:
            label = f"--set {path}" if flag == "--set" else flag
            issues += [ConfigIssue(label, f"{issue.message}; got {text!r}") for issue in error.issues]
    return overrides, issues


def _wrong_options(options: dict[str, str], program: Program) -> Iterator[ConfigIssue]:
    for option in program.options:
        value = options.get(option.name)
        if value is not None and option.choices and value not in option.choices:
            yield ConfigIssue(
                option.name,
                f"must be one of {', '.join(option.choices)}, but got {value!r}{did_you_mean(value, option.choices)}",
            )


def _resume_issues(config: str | None, overrides: Sequence[Override], program: Program) -> Iterator[ConfigIssue]:
    allowed = [flag for flag in program.table if flag.allowed_on_resume]
    wrong = ["--config"] if config is not None else []
    wrong += [
        f"--set {o.path}" if o.flag == "--set" else o.flag
        for o in overrides
        if o.path not in {flag.path for flag in allowed}
    ]
    if wrong:
        names = ", ".join(["--address", *sorted(flag.name for flag in allowed)])
        yield ConfigIssue(
            "--resume",
            f"a run is resumed as it was started; only {names} may change, but got {', '.join(dict.fromkeys(wrong))}",
        )


def _unknown(argument: str, program: Program) -> ConfigIssue:
    if not argument.startswith("-"):
        return ConfigIssue("", f"{program.stray}, but got {argument!r}")
    name = argument.split("=")[0]
    key = name.lstrip("-").replace("-", "_")
    fields = program.schema.model_fields if program.takes_job else {}
    sections = {name: field.annotation for name, field in fields.items()}
    for section, model in sorted(sections.items(), key=lambda item: item[0] != "training"):
        if key in getattr(model, "model_fields", {}):
            return ConfigIssue(name, f"no such flag; use --set {section}.{key}=VALUE")
    own = [flag.name for flag in program.table] + [option.name for option in program.options]
    known = [
        *own,
        *(_JOB if program.takes_job else ()),
        *(_RESUMING if program.takes_job and program.resumes else ()),
        *_OTHER,
        *(other for other, name in _SPELLINGS.items() if name in own),
    ]
    return ConfigIssue(name, "no such flag" + (did_you_mean(name, known) or "; --help lists them"))


def _spelling(argument: str, program: Program) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    name = name.replace("_", "-")
    return (_SPELLINGS.get(name, name) if program.takes_job else name) + equals + value
