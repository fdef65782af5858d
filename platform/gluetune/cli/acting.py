"""``gluetune stop``, ``add`` and ``extend``: acting on a search from another process, on any machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from gluetune.api.acting import SentRequest, add, extend, stop
from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run
from gluetune.cli.recorded_runs import AS_JSON, NAME, STORAGE
from gluetune.cli.terminal import Terminal
from gluetune.cli.tune import TUNE, run_tune_command
from gluetune.config import StorageConfig
from gluetune.config.yaml_files import parse_yaml
from gluetune.errors import ConfigError, ConfigIssue, FolderInUseError
from gluetune.supervisor import report

TRIAL = Option("--trial", "N", "end this trial only, by its number or name, for good; its best evaluation still counts")
WAIT = Option("--wait", "", "wait until the driver of the search has acted, and print what it did")
SET = Option(
    "--set", "FIELD=VALUE", "value of a searched field, such as learning_rate=3e-5; may be repeated", repeated=True
)
TASK = Option("--task", "NAME", "train it on one task only (default: all tasks of the search)")
SAMPLES = Option("--num-samples", "N", "trials per task: a number, or +N for N more than now")
SECONDS = Option("--time-budget-s", "SECONDS", "time budget of a session: seconds, or +SECONDS for more than now")
RECORD = Option("--no-resume", "", "only record the request where no process runs the search; a resume acts on it")
ADDRESS = Option("--address", "ADDRESS", "Ray cluster of the resume (default: the one in reach, else a local one)")


def _needs_name(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    if NAME.name not in arguments.options:
        yield ConfigIssue(NAME.name, f"must be given: {NAME.help}")


STOP = Program(
    "gluetune stop",
    "Stop a search that another process runs, on any machine, as Ctrl-C in its terminal does: its trials are recorded "
    "as stopped, and gluetune tune --resume NAME continues them. With --trial, end one trial for good.",
    None,
    options=(TRIAL, WAIT, STORAGE, AS_JSON),
    positionals=(NAME,),
    usage="%(prog)s NAME [--trial N] [--wait] [--storage-path PATH] [--json]",
    epilog="The request is a file in the run's folder; the driver reads it within seconds, from a bucket within ten.",
    check=_needs_name,
)
ADD = Program(
    "gluetune add",
    "Have a search train a configuration next, beyond its planned trials. Fields that --set does not give have the "
    "values of each task's best trial so far. Where no process runs the search, it is resumed.",
    None,
    options=(SET, TASK, WAIT, RECORD, ADDRESS, STORAGE, AS_JSON),
    positionals=(NAME,),
    usage="%(prog)s NAME --set FIELD=VALUE [--set ...] [--task NAME] [--wait | --no-resume] [--storage-path PATH]",
    epilog="Values may lie outside the search space; the search algorithm does not learn from such a trial.",
    check=_needs_name,
)
EXTEND = Program(
    "gluetune extend",
    "Raise the number of trials or the time budget of a search. Where no process runs the search, it is resumed.",
    None,
    options=(SAMPLES, SECONDS, WAIT, RECORD, ADDRESS, STORAGE, AS_JSON),
    positionals=(NAME,),
    usage="%(prog)s NAME [--num-samples N | +N] [--time-budget-s SECONDS | +SECONDS] [--wait | --no-resume] "
    "[--storage-path PATH]",
    epilog="The job file stays as it is: the search's journal records the new limits, and resumes keep them.",
    check=_needs_name,
)


def stop_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune stop``; return the exit code."""
    return run(STOP, _stop, argv)


def add_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune add``; return the exit code."""
    return run(ADD, _add, argv)


def extend_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune extend``; return the exit code."""
    return run(EXTEND, _extend, argv)


def _stop(arguments: ParsedArguments, terminal: Terminal) -> int:
    trial = arguments.options.get(TRIAL.name)
    sent = _named(lambda: stop(_name(arguments), trial=trial, storage_path=_path(arguments)))
    return _finish(sent, arguments, terminal, resumes=False)


def _add(arguments: ParsedArguments, terminal: Terminal) -> int:
    configuration = _configuration(arguments.repeated.get(SET.name, ()))
    task = arguments.options.get(TASK.name)
    sent = _named(lambda: add(_name(arguments), configuration, task=task, storage_path=_path(arguments)))
    return _finish(sent, arguments, terminal)


def _extend(arguments: ParsedArguments, terminal: Terminal) -> int:
    samples, seconds = (arguments.options.get(option.name) for option in (SAMPLES, SECONDS))
    sent = _named(
        lambda: extend(_name(arguments), num_samples=samples, time_budget_s=seconds, storage_path=_path(arguments))
    )
    return _finish(sent, arguments, terminal)


def _finish(sent: SentRequest, arguments: ParsedArguments, terminal: Terminal, *, resumes: bool = True) -> int:
    """Print what will happen; resume a search that no process runs, or wait where that is asked for."""
    report(starting=False)
    as_json = AS_JSON.name in arguments.switches
    resumes = resumes and sent.running is False and RECORD.name not in arguments.switches and not as_json
    done = None
    if WAIT.name in arguments.switches and not resumes:
        done = sent.wait()
    if as_json:
        terminal.out.print_json(json.dumps(asdict(sent) | {"done": done}))
        return OK
    terminal.note(f"{sent.name}: {sent.message if done is None else done}")
    if resumes:
        return _resume(sent, arguments, terminal)
    if done is None:
        terminal.note(_when(sent))
    return OK


def _when(sent: SentRequest) -> str:
    """Say when the request is acted on."""
    if sent.running:
        return "the driver acts on it within seconds"
    resume = f"gluetune tune --resume {sent.name}"
    if sent.running is None:
        return f"a driver that runs the search acts on it within ten seconds; if none does: {resume}"
    return f"no process runs the search; to act on it: {resume}"


def _resume(sent: SentRequest, arguments: ParsedArguments, terminal: Terminal) -> int:
    """Resume the search of a request in this process, unless another one has done so meanwhile."""
    path = sent.folder.rstrip("/").rpartition("/")[0]
    more = ["--address", arguments.options[ADDRESS.name]] if ADDRESS.name in arguments.options else []
    terminal.note("no process runs the search: it is resumed here")
    try:
        return run_tune_command(parse(["--resume", sent.name, "--storage-path", path, *more], TUNE), terminal)
    except FolderInUseError:
        terminal.note("another process has resumed the search; its driver acts on the request within seconds")
        return OK


def _configuration(settings: Sequence[str]) -> dict[str, Any]:
    """Read the values of ``--set``, as YAML.

    Raises:
        ConfigError: none is given, or one is no FIELD=VALUE.
    """
    found: dict[str, Any] = {}
    issues = [] if settings else [ConfigIssue(SET.name, "must be given: at least one FIELD=VALUE")]
    for text in settings:
        field, equals, value = text.partition("=")
        if not equals or not field.strip():
            issues.append(ConfigIssue(SET.name, f"must be FIELD=VALUE, but got {text!r}"))
            continue
        try:
            found[field.strip()] = parse_yaml(value.encode(), "").value
        except ConfigError as error:
            issues += [ConfigIssue(f"{SET.name} {field}", f"{each.message}; got {value!r}") for each in error.issues]
    if issues:
        raise ConfigError(issues)
    return found


def _named(send: Callable[[], SentRequest]) -> SentRequest:
    """Return what a function of the Python API returns; its mistakes name the flags instead of the arguments.

    Raises:
        ConfigError: the mistakes.
    """
    flags = {"trial": TRIAL.name, "task": TASK.name, "num_samples": SAMPLES.name, "time_budget_s": SECONDS.name}
    try:
        return send()
    except ConfigError as error:
        raise ConfigError(
            ConfigIssue(flags.get(issue.path, f"{SET.name} {issue.path}" if issue.path else ""), issue.message)
            for issue in error.issues
        ) from error


def _name(arguments: ParsedArguments) -> str:
    return arguments.options[NAME.name]


def _path(arguments: ParsedArguments) -> str:
    return arguments.options.get(STORAGE.name, StorageConfig().path)
