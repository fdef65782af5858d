"""The flags that describe a task of the user's own files: ``--train tickets.csv --text body --label topic``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option
from gluetune.config import Override
from gluetune.config.own_task_checks import name_from_file
from gluetune.config.tasks import check_own_name
from gluetune.errors import ConfigIssue

TRAIN, DATASET, NAME = "--train", "--dataset", "--task-name"
_GROUP = "your own files"
TASK_OPTIONS = tuple(
    replace(option, group=_GROUP)
    for option in (
        Option(TRAIN, "FILE", "your train rows: a csv, tsv, jsonl or parquet file, or a folder of them"),
        Option("--validation", "FILE", "rows that choose the winner (default: held out of train)"),
        Option("--test", "FILE", "rows that the winner alone is scored on"),
        Option(
            "--text", "COLUMNS", "the text's column, two for a pair (title,body), or a template ('{title}: {body}')"
        ),
        Option("--label", "COLUMNS", "the label's column; several columns of 0 and 1 make a multi-label task"),
        Option("--labels", "NAMES", "class names in the order of their ids (default: those in train, sorted)"),
        Option(
            "--problem",
            "PROBLEM",
            "auto (default, by the labels in train), single_label, multi_label or regression",
            ("auto", "single_label", "multi_label", "regression"),
        ),
        Option("--metric", "METRIC", "what ranks the trials, such as f1_macro or accuracy"),
        Option(
            "--thresholds",
            "CHOICE",
            "tuned (default): a winner of two classes or several labels per row gets the decision thresholds that are "
            "best for the metric on the selection rows; default: 0.5",
            ("tuned", "default"),
        ),
        Option("--group", "COLUMN", "rows with one value of it are never divided between train and selection"),
        Option(NAME, "NAME", "the task's name (default: the train file's)"),
        Option(DATASET, "DATASET", "a dataset on the hub or in a folder; --train and others then name its splits"),
    )
)
_KEYS = {option.name: option.name.removeprefix("--") for option in TASK_OPTIONS if option.name != NAME}
_LISTS = ("--labels",)


def own_task_issues(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
    """Yield what is wrong with the flags of an own task among some arguments."""
    given = [option.name for option in TASK_OPTIONS if option.name in arguments.options]
    if not given:
        return
    if arguments.resume is not None:
        yield ConfigIssue("--resume", f"a run is resumed as it was started: leave out {', '.join(given)}")
        return
    if any(override.path == "tasks" for override in arguments.overrides):
        yield ConfigIssue(
            "--tasks", f"names known tasks, but {given[0]} describes one of your own: leave out one, or use a job file"
        )
    if TRAIN not in given and DATASET not in given:
        yield ConfigIssue(TRAIN, f"must be given with {given[0]}: the file of your train rows (or {DATASET})")
        return
    for name in ("--text", "--label"):
        if name not in given:
            yield ConfigIssue(name, f"must be given with {given[0]}: the column of the {name.removeprefix('--')}")
    try:
        check_own_name(task_name(arguments))
    except ValueError as error:
        hint = "" if NAME in given else f" ({NAME})"
        yield ConfigIssue(NAME if NAME in given else given[0], f"{error}{hint}")


def task_name(arguments: ParsedArguments) -> str:
    """Return the name of the task that the flags describe: the one given, else that of the train file or dataset."""
    given = arguments.options
    if NAME in given:
        return given[NAME]
    return name_from_file(given.get(DATASET) or given[TRAIN])


def with_own_task(arguments: ParsedArguments) -> ParsedArguments:
    """Return arguments whose overrides make the task that the flags describe the job's only one."""
    if TRAIN not in arguments.options and DATASET not in arguments.options:
        return arguments
    name, given = task_name(arguments), arguments.options
    first = TRAIN if TRAIN in given else DATASET
    made = [Override("tasks", {name: {}}, first)]
    for flag, key in _KEYS.items():
        if flag in given:
            value = _names(given[flag]) if flag in _LISTS else given[flag]
            made.append(Override(f"tasks.{name}.{key}", value, flag))
    return replace(arguments, overrides=(*made, *arguments.overrides))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
