"""``gluetune verify``: the winners of a search trained again from its record alone, and their scores compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from gluetune.api.verification import Verification, VerifiedTask, verify_run
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import FAILED, OK, ProcessFrontend, run, temporary_log
from gluetune.cli.recorded_runs import AS_JSON, NAME, STORAGE
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.errors import ConfigIssue

TASK = Option("--task", "NAME", "the winner of one task only (default: of each task)")
ADDRESS = Option("--address", "ADDRESS", "Ray cluster (default: the one in reach, else a local one)")
BITS = (
    "Numbers are equal to the bit on one CPU worker, with the versions and the kind of processor of the search. "
    "Elsewhere the fresh seeds of a confirmation (gluetune confirm) show how much of a difference is chance."
)


def _needs_name(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    if NAME.name not in arguments.options:
        yield ConfigIssue(NAME.name, f"must be given: {NAME.help}")


VERIFY = Program(
    "gluetune verify",
    "Train the winner of each task again from the search's record alone, and compare the scores and losses of all "
    "evaluations. The record stays as it is; changed rows or encoders are refused.",
    None,
    options=(TASK, ADDRESS, STORAGE, AS_JSON),
    positionals=(NAME,),
    usage="%(prog)s NAME [--task NAME] [--address ADDRESS] [--storage-path PATH] [--json]",
    epilog="Exit code 0: all scores are the same, or within the range of the confirmation's seeds; 1: one is not.",
    check=_needs_name,
)


def verify_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune verify``; return the exit code."""
    return run(VERIFY, _verify, argv)


def _verify(arguments: ParsedArguments, terminal: Terminal) -> int:
    name, task, address = (arguments.options.get(option.name) for option in (NAME, TASK, ADDRESS))
    path = arguments.options.get(STORAGE.name, StorageConfig().path)
    return verify_and_print(str(name), path, address, terminal, task=task, as_json=AS_JSON.name in arguments.switches)


def verify_and_print(
    name: str, path: str, address: str | None, terminal: Terminal, *, task: str | None = None, as_json: bool = False
) -> int:
    """Verify a search and print the outcome.

    Args:
        name: the run's name, or its folder by path or URI.
        path: what contains the runs' folders.
        address: the Ray cluster's.
        terminal: the user's.
        task: the task; ``None`` for all tasks.
        as_json: whether to print JSON.

    Returns:
        The exit code: 0 where all winners are reproduced, else 1.

    Raises:
        UserError: there is no such search, its rows have changed, or a winner could not be trained again.
    """
    with temporary_log() as log, terminal.logging_to(log):
        verified = verify_run(name, task, path, address, ProcessFrontend(terminal))
    if as_json:
        terminal.out.print_json(json.dumps(as_values(verified)))
    else:
        for each in verified.tasks:
            terminal.out.print(describe(each), soft_wrap=True, highlight=False, markup=False)
        if any(each.verdict != "to the bit" for each in verified.tasks):
            for change in verified.environment:
                terminal.note(change)
        if any(each.verdict == "different" for each in verified.tasks):
            terminal.note(BITS)
    return OK if verified.reproduced else FAILED


def as_values(verified: Verification) -> dict[str, object]:
    """Return a verification as JSON values."""
    tasks = [asdict(task) | {"reproduced": task.reproduced} for task in verified.tasks]
    return asdict(verified) | {"tasks": tasks, "reproduced": verified.reproduced}


def describe(task: VerifiedTask) -> str:
    """Return a line about a task's winner: the verdict, then what supports it."""
    subject = f"{task.task}: {task.trial}, {task.metric} {task.recorded:.4f} on the selection rows"
    if task.verdict == "to the bit":
        return f"{subject}, is reproduced to the bit ({task.evaluations} evaluations)"
    details = "; ".join(task.details)
    if task.verdict == "contradicted":
        return f"{subject}, is not reproduced: the record contradicts itself: {details}"
    now = "without a score" if task.now is None else f"{task.now:.4f}"
    seeds = "" if task.seeds is None else f"; fresh seeds {task.seeds[0]:.4f} to {task.seeds[1]:.4f}"
    if task.verdict == "same scores":
        return f"{subject}, is reproduced: all scores are the same, but losses are not ({details})"
    verdict = "is reproduced within the range of its seeds" if task.reproduced else "is not reproduced"
    return f"{subject}, {verdict}: {now} now{seeds} ({details})"
