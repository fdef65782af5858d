"""Terminal output of a confirmation: a table of configurations for each task, and its tests in words."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.reporting import formatting
from gluetune.reporting.confirmation_schema import ConfirmationSummary, ConfirmedConfigurationSummary, ConfirmedTask
from gluetune.reporting.confirmation_words import configuration_name, describe_test, format_interval, format_mean

_WIDE = 140  # columns of a terminal from which on the table has the settings too
_METHODS = {"bca": "BCa", "percentile": "percentile"}
_TESTED = {"second": "first against second", "default": "first against default"}


def print_confirmation(confirmation: ConfirmationSummary, console: Console) -> None:
    """Print a table for each task, and the results of the tests in words.

    Args:
        confirmation: what ``summary.json`` holds of it.
        console: output.
    """
    console.print(Text(_headline(confirmation), style="bold"), soft_wrap=True)
    several = len(confirmation.tasks) > 1
    for task in confirmation.tasks:
        console.print(Text(f"\n{_task_line(task)}"), soft_wrap=True)
        console.print(_table(task, console.width))
        for each in task.configurations if console.width < _WIDE else ():
            console.print(Text(_below(each, console.width)), soft_wrap=True)
        for test in task.tests:
            numbers = describe_test(test, task.metric, corrected=several)
            console.print(Text(f"  {_TESTED[test.against]}: {numbers}"), soft_wrap=True)
    console.print()
    for sentence in confirmation.sentences:
        console.print(Text(sentence), soft_wrap=True)


def _headline(confirmation: ConfirmationSummary) -> str:
    asked = f"{formatting.count(confirmation.seeds, 'fresh seed')} of each configuration"
    done = "" if confirmation.complete else "; not complete"
    return (
        f"Confirmation: {asked}; default: {confirmation.default}; search and fresh: the selection score in the search, "
        f"and its mean over the fresh seeds{done}"
    )


def _task_line(task: ConfirmedTask) -> str:
    rows = f"{task.rows:,} {task.split} rows"
    which = f"{rows}, which chose nothing" if task.chose_nothing else f"{rows}, which chose the best configuration"
    methods = sorted({each.interval_method for each in task.configurations if each.interval_method})
    by = f"; 95% intervals over seeds and rows ({' and '.join(_METHODS[each] for each in methods)})" if methods else ""
    return f"{task.title}: {formatting.metric(task.metric)} on {which}{by}"


def _table(task: ConfirmedTask, width: int) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("configuration", style="bold", no_wrap=True)
    spread = () if width < formatting.NARROW else ("min", "max", "seeds", "failed")
    for name in ("mean ± sd", "95% interval", *spread, "search", "fresh"):
        table.add_column(name, justify="right", no_wrap=True)
    if width >= _WIDE:
        table.add_column("settings")
    for each in task.configurations:
        failed = Text(str(each.failed), style="red" if each.failed else "")
        row = (
            configuration_name(each),
            format_mean(each),
            format_interval(each),
            *(
                (formatting.score(each.minimum), formatting.score(each.maximum), str(each.scored), failed)
                if spread
                else ()
            ),
            formatting.score(each.search_selection),
            formatting.score(each.fresh_selection),
            Text(formatting.format_params(each.params)),
        )
        table.add_row(*row[: len(table.columns)])
    return table


def _below(each: ConfirmedConfigurationSummary, width: int) -> str:
    """Return what a table of this width does not show of a configuration."""
    settings = formatting.format_params(each.params)
    if width >= formatting.NARROW:
        return f"  {configuration_name(each)}: {settings}"
    counts = f"{formatting.count(each.scored, 'seed')}, {each.failed} failed"
    spread = f"{formatting.score(each.minimum)} to {formatting.score(each.maximum)}"
    return f"  {configuration_name(each)}: {counts}, {spread}; {settings}"
